"""The two-instruction requantization against TensorFlow Lite's arithmetic in Python integers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.aot.armv7em.requantization import fits, negative_steps
from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier

LIMIT = 1 << 23


def saturate(value: int) -> int:
    return max(-128, min(127, value))


@pytest.mark.parametrize(
    ("zero_point", "signed"), [(-128, False), (-128, True), (-5, True), (0, True), (127, True)]
)
@pytest.mark.parametrize("scale", [0.4, 0.031, 0.0078125, 0.0011, 0.00021])
@pytest.mark.parametrize(("spread", "granule"), [(1.0, 1), (0.35, 1), (0.35, 128)])
def test_equal_for_every_sum(
    zero_point: int, signed: bool, scale: float, spread: float, granule: int
) -> None:
    quantized = [quantize_multiplier(scale), quantize_multiplier(scale * spread)]
    multipliers = np.array([m for m, _ in quantized], np.int32)
    shifts = np.array([s for _, s in quantized], np.int8)
    last = 6 * int(256 / scale)  # far into saturation on both sides

    bounds = (np.full(2, -LIMIT), np.full(2, LIMIT - 1))
    every = fits(multipliers, shifts, zero_point, bounds, signed, granule)

    if granule > 1 and scale < 0.005:  # sums of 9 products do not have so many values
        return
    assert every
    step = max(1, last // 3_000)
    sums = np.unique(np.clip([*range(-last, last, step), *range(-600, 600)], -LIMIT, LIMIT - 1))
    for channel, found in itertools.product(range(2), (every[0], every[-1])):
        multiplier, phase = int(found.multipliers[channel]), int(found.phases[channel])
        step = int(negative_steps(found.multipliers)[channel]) if signed else 0
        assert multiplier % granule == 0
        for total in sums.tolist():
            start = found.offset + step // 2 - (step if total < 0 else 0)
            high = ((256 * total + phase) * multiplier >> 32) + start
            assert -(1 << 31) <= high < 1 << 31
            expected = multiply_by_quantized_multiplier(
                total, int(multipliers[channel]), int(shifts[channel])
            )
            assert saturate(high >> found.shift) == saturate(expected + zero_point), total


def test_left_shifts_are_refused() -> None:
    bounds = (np.array([-9]), np.array([9]))
    assert fits(np.array([1 << 30], np.int32), np.array([1], np.int8), 0, bounds, True) == []


def test_a_channel_that_is_off_gives_the_zero_point() -> None:
    bounds = (np.array([-9]), np.array([9]))
    found = fits(np.array([0], np.int32), np.array([0], np.int8), 7, bounds, True)[0]
    assert found.multipliers.tolist() == [0]
    assert negative_steps(found.multipliers).tolist() == [0]
    assert found.offset >> found.shift == 7


def test_the_step_of_negative_sums_is_the_multipliers_highest_bit() -> None:
    multipliers = np.array([(1 << 31) - 1, 1 << 30, (1 << 30) - 1, 1 << 23, (1 << 23) - 1])
    assert negative_steps(multipliers).tolist() == [128, 128, 64, 1, 0]
