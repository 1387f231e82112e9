"""MEAN: the mean over some dimensions."""

from __future__ import annotations

import math

import numpy as np

from pipeline.aot.program import FieldValue, KernelCall, Step
from pipeline.fixed_point import quantize_multiplier
from pipeline.graph import Operator, Quantization
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.reduction import (
    REDUCTION_OPTIONS,
    draw_reduction,
    parse_reduction,
    reduced_shapes,
    reduction_loops,
    require_axes,
    require_reduction,
)

_LARGEST_COUNT = 1 << 23  # 255 times as much fits 31 bits


def _count(op: Operator) -> int:
    return math.prod(op.input(0).shape[axis] for axis in require_axes(op))


def _check(op: Operator) -> None:
    require_reduction(op)
    rules.require_requantization(op, [op.input(0).scale / op.output.scale])
    require(
        op,
        _count(op) <= _LARGEST_COUNT,
        f"a mean must be over at most {_LARGEST_COUNT} elements",
    )


def _mean_multiplier(factor: float, count: int) -> tuple[int, int]:
    """(multiplier, shift) of factor / count, as TensorFlow Lite's QuantizedMeanOrSum.

    The quotient is truncated after a shift that keeps as many bits as the count has.
    """
    multiplier, shift = quantize_multiplier(factor)
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << extra) // count, shift - extra


def _lower(op: Operator) -> Step:
    source, count = op.input(0), _count(op)
    multiplier, shift = _mean_multiplier(source.scale / op.output.scale, count)
    params: dict[str, FieldValue] = {
        **reduction_loops(source.shape, require_axes(op)),
        "zero_point_sum": count * source.zero_point,
        "multiplier": multiplier,
        "shift": shift,
        "output_zero_point": op.output.zero_point,
    }
    return Step(
        (op,),
        (KernelCall("mean_s8", params, (rules.kernel_input(source, "input"),), (op.output,)),),
    )


def _draw(rng: np.random.Generator) -> SingleOpCase:
    drawn = draw_reduction(rng)
    source, result, scale_label = _draw_quantization(rng, drawn.count)
    model = cases.single_op_model(
        "MEAN",
        (cases.int8_operand(drawn.shape, source), drawn.axes),
        (cases.int8_operand(drawn.output, result),),
        drawn.options,
    )
    return SingleOpCase(
        model,
        drawn.labels
        | {scale_label}
        | cases.zero_point_labels("input", source.zero_points[0])
        | cases.zero_point_labels("output", result.zero_points[0]),
    )


def _draw_quantization(
    rng: np.random.Generator, count: int
) -> tuple[Quantization, Quantization, str]:
    """Input and output, scaled so that the deviation of the mean is tens of output steps."""
    source = cases.draw_quantization(rng)
    if cases.chance(rng, 0.2):
        return source, source, "equal scales"
    deviation = 73.9 / math.sqrt(count)
    centre = source.zero_points[0] + 0.5  # of uniform inputs, in input steps from 0.0
    factor = min(rng.uniform(15, 60) / deviation, 150 / abs(centre))
    scale = cases.float32(source.scales[0] / factor)
    # This zero point puts the mean of uniform inputs near 0, the middle of the output's range.
    zero_point = min(max(round(centre * factor), rules.INT8_MIN), rules.INT8_MAX)
    if cases.chance(rng, 0.2):
        zero_point = cases.draw_zero_point(rng)
    label = "left shift" if source.scales[0] >= scale else "right shift"
    return source, Quantization((scale,), (zero_point,)), label


register(
    OperatorDefinition(
        kind="MEAN",
        output_shapes=reduced_shapes,
        check=_check,
        macs=rules.no_macs,
        lower=_lower,
        draw=_draw,
        options=REDUCTION_OPTIONS
        | cases.zero_point_options("input", "output")
        | {"left shift", "right shift", "equal scales"},
        parse=parse_reduction,
    )
)
