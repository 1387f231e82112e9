"""Fixed-point functions against the real functions they stand for, and rules of rounding."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fixed_point import (
    INT32_MAX,
    INT32_MIN,
    exp_on_negative_values,
    fixed_point_constant,
    input_radius,
    logistic,
    multiply_by_quantized_multiplier,
    one_over_one_plus_x,
    quantize_multiplier,
    rounding_divide_by_power_of_two,
    saturating_rounding_doubling_high_mul,
    tanh,
)

int32 = st.integers(INT32_MIN, INT32_MAX)


def test_constants_are_those_that_gemmlowp_publishes() -> None:
    published = {
        math.exp(-1 / 8): (0, 1895147668),
        1 / 3: (0, 715827883),
        math.exp(-1 / 2): (0, 1302514674),
        math.exp(-16): (0, 242),
        48 / 17: (2, 1515870810),
        -32 / 17: (2, -1010580540),
    }
    for value, (integer_bits, raw) in published.items():
        assert fixed_point_constant(value, integer_bits) == raw
    assert fixed_point_constant(1.0, 0) == INT32_MAX


@given(int32, int32)
def test_high_multiply_rounds_to_nearest(a: int, b: int) -> None:
    exact = Fraction(a * b, 1 << 31)
    expected = math.floor(exact + Fraction(1, 2))  # ties go up
    assert saturating_rounding_doubling_high_mul(a, b) == min(expected, INT32_MAX)


@given(int32, st.integers(0, 31))
def test_shift_rounds_half_away_from_zero(value: int, exponent: int) -> None:
    magnitude = math.floor(Fraction(abs(value), 1 << exponent) + Fraction(1, 2))
    expected = magnitude if value >= 0 else -magnitude
    assert rounding_divide_by_power_of_two(value, exponent) == expected


@given(st.floats(2.0**-20, 2.0**20, exclude_max=True), st.integers(-(1 << 10), 1 << 10))
def test_quantized_multiplier_is_the_factor(factor: float, value: int) -> None:
    multiplier, shift = quantize_multiplier(factor)
    assert (1 << 30) <= multiplier < (1 << 31)
    result = multiply_by_quantized_multiplier(value, multiplier, shift)
    # Two roundings of half a step each, and a relative error of 2^-31 in the multiplier.
    assert abs(result - value * factor) <= 1 + abs(value * factor) * 2.0**-30


def test_factors_that_round_to_a_power_of_two_and_to_nothing() -> None:
    assert quantize_multiplier(1.0 - 2.0**-40) == (1 << 30, 1)
    assert quantize_multiplier(0.5) == (1 << 30, 0)
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(2.0**-33) == (0, 0)


@pytest.mark.parametrize(
    ("function", "real", "integer_bits", "negative_only", "tolerance"),
    [
        (exp_on_negative_values, math.exp, 5, True, 2.5e-7),
        (exp_on_negative_values, math.exp, 4, True, 2.5e-7),
        (logistic, lambda x: 1 / (1 + math.exp(-x)), 4, False, 1e-7),
        (tanh, math.tanh, 4, False, 1.5e-7),
    ],
)
def test_functions_are_near_the_real_ones(
    function: Callable[[int, int], int],
    real: Callable[[float], float],
    integer_bits: int,
    negative_only: bool,
    tolerance: float,
) -> None:
    one = 1 << (31 - integer_bits)
    top = 0 if negative_only else INT32_MAX
    for value in (*range(INT32_MIN + 1, top, 9_999_991), -1, 0, top):
        assert function(value, integer_bits) / 2.0**31 == pytest.approx(
            real(value / one), abs=tolerance
        )


@given(st.integers(0, INT32_MAX))
def test_reciprocal(value: int) -> None:
    expected = 1 / (1 + value / 2.0**31)
    assert one_over_one_plus_x(value) / 2.0**31 == pytest.approx(expected, abs=4e-9)


def test_input_radius_is_the_last_input_that_stays_in_range() -> None:
    for shift in range(28):
        radius = input_radius(4, shift)
        limit = 15 << 27
        assert radius << shift <= limit < (radius + 1) << shift
