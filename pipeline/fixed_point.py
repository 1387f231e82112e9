"""TensorFlow Lite's fixed-point arithmetic in exact Python integers.

Source of every rule: TensorFlow Lite, `kernels/internal/quantization_util.cc` and `common.h`, and
gemmlowp's `fixedpoint.h` (double rounding, as TensorFlow Lite Micro builds it).
"""

from __future__ import annotations

import math

INT32_MIN = -(1 << 31)
INT32_MAX = (1 << 31) - 1


def quantize_multiplier(value: float) -> tuple[int, int]:
    """Splits a real factor into a Q0.31 multiplier and a shift, as TFLite's QuantizeMultiplier.

    Returns:
        (multiplier, shift): value ~ multiplier * 2^(shift - 31), |multiplier| in [2^30, 2^31)
        or 0; a positive shift is a left shift. Factors below 2^-32 become (0, 0).
    """
    if value == 0.0:
        return 0, 0
    mantissa, shift = math.frexp(value)
    multiplier = math.floor(abs(mantissa) * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return (multiplier if value > 0 else -multiplier), shift


def saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    """2ab / 2^32 rounded to nearest, ties towards plus infinity; saturated."""
    if a == b == INT32_MIN:
        return INT32_MAX
    product = a * b
    nudge = (1 << 30) if product >= 0 else 1 - (1 << 30)
    return _truncating_shift(product + nudge, 31)


def rounding_divide_by_power_of_two(value: int, exponent: int) -> int:
    """value / 2^exponent, rounded half away from zero."""
    mask = (1 << exponent) - 1
    remainder = value & mask
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if remainder > threshold else 0)


def multiply_by_quantized_multiplier(value: int, multiplier: int, shift: int) -> int:
    """value * multiplier * 2^(shift - 31) with TFLite's double rounding."""
    left, right = max(shift, 0), max(-shift, 0)
    return rounding_divide_by_power_of_two(
        saturating_rounding_doubling_high_mul(wrap_int32(value << left), multiplier), right
    )


def wrap_int32(value: int) -> int:
    """Two's-complement wrap to 32 bits."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def _truncating_shift(value: int, bits: int) -> int:
    """Division by 2^bits that rounds towards zero, as C's `/`."""
    return value >> bits if value >= 0 else -(-value >> bits)


# gemmlowp's fixed-point functions. A raw int32 with n integer bits stands for raw / 2^(31 - n).


def fixed_point_constant(value: float, integer_bits: int) -> int:
    """The raw int32 nearest to `value`, saturated, as gemmlowp's FixedPoint::FromDouble."""
    raw = math.floor(value * (1 << (31 - integer_bits)) + 0.5)
    return max(INT32_MIN, min(INT32_MAX, raw))


def saturating_shift_left(value: int, bits: int) -> int:
    """value * 2^bits, saturated to int32."""
    return max(INT32_MIN, min(INT32_MAX, value << bits))


def exp_on_negative_values(value: int, integer_bits: int) -> int:
    """e^x for x <= 0.

    Args:
        value: x as a raw fixed point with `integer_bits` integer bits (at most 5, as all of
            TFLite's int8 kernels use).

    Returns:
        Raw fixed point with 0 integer bits; 1.0 is INT32_MAX.
    """
    if value == 0:
        return INT32_MAX
    fractional_bits = 31 - integer_bits
    quarter = 1 << (fractional_bits - 2)
    in_last_quarter = (value & (quarter - 1)) - quarter
    result = _exp_between_minus_quarter_and_zero(
        saturating_shift_left(in_last_quarter, integer_bits)
    )
    quarters = in_last_quarter - value
    for exponent in range(-2, integer_bits):
        if quarters & (1 << (fractional_bits + exponent)):
            factor = fixed_point_constant(math.exp(-(2.0**exponent)), 0)
            result = saturating_rounding_doubling_high_mul(result, factor)
    return result


def _exp_between_minus_quarter_and_zero(value: int) -> int:
    """e^x for -1/4 <= x < 0: the Taylor polynomial of degree 4 around -1/8, 0 integer bits."""
    mul = saturating_rounding_doubling_high_mul
    x = value + (1 << 28)
    x2 = mul(x, x)
    x3 = mul(x2, x)
    x4 = mul(x2, x2)
    third = fixed_point_constant(1 / 3, 0)
    tail = rounding_divide_by_power_of_two(
        mul(rounding_divide_by_power_of_two(x4, 2) + x3, third) + x2, 1
    )
    constant = fixed_point_constant(math.exp(-1 / 8), 0)
    return constant + mul(constant, x + tail)


def _reciprocal_of_half_sum(value: int) -> int:
    """2 / (1 + x) for 0 <= x <= 1 (0 integer bits), with 2 integer bits: three Newton steps."""
    mul = saturating_rounding_doubling_high_mul
    half_denominator = (value + INT32_MAX + 1) // 2
    one = 1 << 29
    x = fixed_point_constant(48 / 17, 2) + mul(half_denominator, fixed_point_constant(-32 / 17, 2))
    for _ in range(3):
        residual = one - mul(half_denominator, x)
        x += saturating_shift_left(mul(x, residual), 2)
    return x


def one_over_one_plus_x(value: int) -> int:
    """1 / (1 + x) for 0 <= x <= 1; both with 0 integer bits."""
    return saturating_shift_left(_reciprocal_of_half_sum(value), 1)


def logistic(value: int, integer_bits: int) -> int:
    """1 / (1 + e^-x), 0 integer bits; x as in `exp_on_negative_values`, of any sign."""
    if value == 0:
        return 1 << 30
    positive = one_over_one_plus_x(exp_on_negative_values(-abs(value), integer_bits))
    return positive if value > 0 else INT32_MAX - positive


def tanh(value: int, integer_bits: int) -> int:
    """tanh x, 0 integer bits; x with `integer_bits` (at most 4) integer bits, of any sign."""
    if value == 0:
        return 0
    # The same bits read with one integer bit more are 2x: tanh x = (1 - e^-2x) / (1 + e^-2x).
    exponential = exp_on_negative_values(-abs(value), integer_bits + 1)
    magnitude = saturating_shift_left(_reciprocal_of_half_sum(exponential) - (1 << 29), 2)
    return magnitude if value > 0 else -magnitude


def input_radius(integer_bits: int, left_shift: int) -> int:
    """Largest |input| that a left shift keeps within `integer_bits` integer bits.

    TFLite's CalculateInputRadius for 31 signed bits; `left_shift` is not negative.
    """
    return (((1 << integer_bits) - 1) << (31 - integer_bits)) >> left_shift
