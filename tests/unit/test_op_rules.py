"""Rules that operators share, against values worked out by hand from TensorFlow's definitions."""

from __future__ import annotations

import pytest

from pipeline.ops.shared.rules import Activation, Padding, activation_range, window_axis


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "expected"),
    [
        (Activation.NONE, 0.1, 5, (-128, 127)),
        (Activation.RELU, 0.1, 5, (5, 127)),
        (Activation.RELU6, 0.05, -128, (-128, -8)),  # 6 / 0.05 = 120
        (Activation.RELU6, 0.001, -128, (-128, 127)),
        (Activation.RELU_N1_TO_1, 0.4, 0, (-3, 3)),  # 2.5 rounds away from zero
        (Activation.RELU_N1_TO_1, 0.02, 127, (77, 127)),
        (Activation.RELU6, 1e-40, 0, (0, 127)),  # the quotient exceeds 32 bits
    ],
)
def test_activation_range(
    activation: Activation, scale: float, zero_point: int, expected: tuple[int, int]
) -> None:
    assert activation_range(activation, scale, zero_point) == expected


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding", "before", "output"),
    [
        (28, 3, 1, 1, Padding.SAME, 1, 28),
        (28, 3, 2, 1, Padding.SAME, 0, 14),  # one element of padding, and that behind the image
        (96, 3, 2, 1, Padding.VALID, 0, 47),
        (7, 4, 1, 1, Padding.SAME, 1, 7),  # three elements, one before and two behind
        (9, 3, 1, 2, Padding.SAME, 2, 9),
        (9, 3, 1, 3, Padding.VALID, 0, 3),
        (5, 1, 3, 1, Padding.SAME, 0, 2),
        (3, 5, 1, 1, Padding.VALID, 0, -1),  # does not fit
    ],
)
def test_window_axis(
    size: int, kernel: int, stride: int, dilation: int, padding: Padding, before: int, output: int
) -> None:
    window = window_axis(size, kernel, stride, dilation, padding)

    assert (window.padding, window.output) == (before, output)
