"""The two-instruction requantization against TensorFlow Lite's arithmetic in Python integers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.aot.armv7em.requantization import fits
from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier

LIMIT = 1 << 23


def saturate(value: int) -> int:
    return max(-128, min(127, value))


@pytest.mark.parametrize("zero_point", [-128, -5, 0, 127])
@pytest.mark.parametrize("scale", [0.4, 0.031, 0.0078125, 0.0011, 0.00021])
@pytest.mark.parametrize("spread", [1.0, 0.35])
def test_equal_for_every_sum(zero_point: int, scale: float, spread: float) -> None:
    quantized = [quantize_multiplier(scale), quantize_multiplier(scale * spread)]
    multipliers = np.array([m for m, _ in quantized], np.int32)
    shifts = np.array([s for _, s in quantized], np.int8)
    last = 6 * int(256 / scale)  # far into saturation on both sides

    every = fits(multipliers, shifts, zero_point, (np.full(2, -LIMIT), np.full(2, LIMIT - 1)))

    assert every
    step = max(1, last // 3_000)
    sums = np.unique(np.clip([*range(-last, last, step), *range(-600, 600)], -LIMIT, LIMIT - 1))
    for channel, found in itertools.product(range(2), (every[0], every[-1])):
        multiplier, offset = int(found.multipliers[channel]), int(found.offsets[channel])
        lower = 0 if found.negative_steps is None else int(found.negative_steps[channel])
        for total in sums.tolist():
            high = (256 * total * multiplier >> 32) + offset - (lower if total < 0 else 0)
            assert -(1 << 31) <= high < 1 << 31
            expected = multiply_by_quantized_multiplier(
                total, int(multipliers[channel]), int(shifts[channel])
            )
            assert saturate(high >> found.shift) == saturate(expected + zero_point), total


def test_left_shifts_are_refused() -> None:
    bounds = (np.array([-9]), np.array([9]))
    assert fits(np.array([1 << 30], np.int32), np.array([1], np.int8), 0, bounds) == []


def test_a_channel_that_is_off_gives_the_zero_point() -> None:
    bounds = (np.array([-9]), np.array([9]))
    found = fits(np.array([0], np.int32), np.array([0], np.int8), 7, bounds)[0]
    assert found.multipliers.tolist() == [0]
    assert int(found.offsets[0]) >> found.shift == 7
