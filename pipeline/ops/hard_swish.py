"""HARD_SWISH, x * min(max(x + 3, 0), 6) / 6, int8 to int8.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/hard_swish.h`, and the
factors as TensorFlow Lite Micro prepares them in float32. Intermediates are int16 and wrap where
TFLM's do, at ratios of scales that no trained model has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline import ops
from pipeline.aot.program import Step
from pipeline.fixed_point import quantize_multiplier
from pipeline.graph import Operator, Quantization
from pipeline.ops.shared.cases import (
    draw_scale,
    draw_zero_point,
    float32,
    int8_operand,
    single_op_model,
    zero_point_labels,
    zero_point_options,
)
from pipeline.ops.shared.rules import no_macs
from pipeline.ops.shared.tables import (
    clamp_int8,
    draw_unary_shape,
    float32_quotient,
    lookup_step,
    require_unary,
    same_shape,
)

_INT16_MIN, _INT16_MAX = -(1 << 15), (1 << 15) - 1
_HIGH_RESOLUTION_BITS = 7  # input steps are divided into 2^7
_RELUISH_SCALE = float32_quotient(3.0, 32768.0)  # of the factor min(max(x + 3, 0), 6)
_LARGEST_EXPONENT = 31  # TFLM shifts by it


@dataclass(frozen=True)
class _Factor:
    """A real factor as multiplier * 2^(exponent - 15) with a 16-bit multiplier."""

    multiplier: int
    exponent: int


def _factor(value: float) -> _Factor:
    multiplier, exponent = quantize_multiplier(value)
    return _Factor(min((multiplier + (1 << 15)) >> 16, _INT16_MAX), exponent)


def _real_factors(op: Operator) -> tuple[float, float]:
    """From input steps / 128 to output steps, and to steps of the "reluish" factor."""
    fine_scale = float32_quotient(op.input(0).scale, 1 << _HIGH_RESOLUTION_BITS)
    return (
        float32_quotient(fine_scale, op.output.scale),
        float32_quotient(fine_scale, _RELUISH_SCALE),
    )


def _check(op: Operator) -> None:
    require_unary(op)
    to_output, to_reluish = _real_factors(op)
    ops.require(
        op,
        to_output < 1 and _factor(to_output).exponent <= 0,
        "input scale / output scale must be below 128",
    )
    ops.require(
        op,
        to_reluish < 1 << (_LARGEST_EXPONENT - 1),
        "the input's scale must be below 2^23",
    )


def _lower(op: Operator) -> Step:
    source, output = require_unary(op)
    to_output, to_reluish = (_factor(value) for value in _real_factors(op))

    def hard_swish(value: int) -> int:
        fine = (value - source.zero_point) << _HIGH_RESOLUTION_BITS
        preshift = _rounding_high_multiply(fine, to_output.multiplier)
        product = _high_multiply(_reluish(fine, to_reluish), preshift)
        shifted = _rounding_shift_right(product, -to_output.exponent)
        return clamp_int8(_wrap_int16(shifted + output.zero_point))

    return lookup_step(op, hard_swish)


def _reluish(fine: int, factor: _Factor) -> int:
    """min(max(x + 3, 0), 6) / 6 in Q0.15. The saturation at both ends is that of int16, so the
    left shift that may be needed is done in two parts with the multiplication between them."""
    value = fine
    if factor.exponent > 0:
        value = _saturate_int16(value << (factor.exponent - 1))
    value = _rounding_high_multiply(value, factor.multiplier)
    if factor.exponent > 0:
        value = _saturate_int16(value << 1)
    if factor.exponent < 0:
        value = _rounding_shift_right(value, -factor.exponent)
    return (value + (1 << 15)) >> 1


def _saturate_int16(value: int) -> int:
    return max(_INT16_MIN, min(_INT16_MAX, value))


def _wrap_int16(value: int) -> int:
    return (value + (1 << 15)) % (1 << 16) - (1 << 15)


def _rounding_high_multiply(a: int, b: int) -> int:
    """a * b / 2^15, rounded to nearest, ties towards plus infinity; b is not negative."""
    return (a * b + (1 << 14)) >> 15


def _high_multiply(a: int, b: int) -> int:
    """a * b / 2^15 towards zero; a is not negative."""
    return a * b >> 15 if b >= 0 else -(a * -b >> 15)


def _rounding_shift_right(value: int, exponent: int) -> int:
    """value / 2^exponent, rounded half away from zero, in gemmlowp's int16 arithmetic: from an
    exponent of 16 its mask has all bits set, so that results are 1 and -1 instead of 0."""
    mask = _wrap_int16((1 << exponent) - 1)
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if value & mask > threshold else 0)


def _draw(rng: np.random.Generator) -> ops.SingleOpCase:
    zero_point, output_zero_point = draw_zero_point(rng), draw_zero_point(rng)
    scale = draw_scale(rng, 0.002, 0.5)
    if zero_point > 64:
        # All or most inputs are negative: only those above -3 differ, and give -0.375 to 0.
        scale = draw_scale(rng, 0.002, 0.03)
        output_zero_point = max(output_zero_point, 0)
    elif output_zero_point > 100:
        zero_point = max(zero_point, 0)
    source = Quantization((scale,), (zero_point,))
    ratio = float(np.exp(rng.uniform(np.log(0.2), np.log(4.0))))
    output = Quantization((float32(scale / ratio),), (output_zero_point,))
    shape = draw_unary_shape(rng)
    model = single_op_model(
        "HARD_SWISH", [int8_operand(shape, source)], [int8_operand(shape, output)]
    )
    exponent = _factor(source.scales[0] / 128 / _RELUISH_SCALE).exponent
    labels = {"left shift" if exponent > 0 else "right shift" if exponent < 0 else "no shift"}
    for role, quantization in (("input", source), ("output", output)):
        labels |= zero_point_labels(role, quantization.zero_points[0])
    return ops.SingleOpCase(model, frozenset(labels))


ops.register(
    ops.OperatorDefinition(
        kind="HARD_SWISH",
        output_shapes=same_shape,
        check=_check,
        macs=no_macs,
        lower=_lower,
        draw=_draw,
        options=zero_point_options("input", "output") | {"left shift", "right shift", "no shift"},
    )
)
