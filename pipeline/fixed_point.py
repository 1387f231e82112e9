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
