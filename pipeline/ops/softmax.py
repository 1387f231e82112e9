"""SOFTMAX over the last axis, int8 to int8.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/softmax.h`. Its exponential
depends on the distance to the row's maximum alone, which has 256 values: a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, Step, int32_array
from pipeline.fixed_point import (
    exp_on_negative_values,
    input_radius,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from pipeline.graph import Operator, Quantization, Tensor
from pipeline.ops.shared.cases import (
    between,
    chance,
    draw_scale,
    draw_zero_point,
    float32,
    int8_operand,
    pick,
    single_op_model,
    zero_point_labels,
    zero_point_options,
)
from pipeline.ops.shared.rules import (
    LARGEST_RANK,
    kernel_input,
    no_macs,
    options_of,
    require_attributes,
    require_rank,
)
from pipeline.ops.shared.tables import require_unary, same_shape

_INPUT_INTEGER_BITS = 5
_OUTPUT_QUANTIZATION = Quantization((1 / 256,), (-128,))
# The sum of more exponentials may not fit the 12 integer bits that TFLite gives it.
_LARGEST_DEPTH = 4095
# A smaller one adds 0 to the sum, which has 19 fractional bits, and rounds to an output of 0.
_SMALLEST_EXPONENTIAL = 1 << 11
# TFLM stops the program where a row's exponentials sum to 512, as those of equal inputs do.
_LARGEST_DRAWN_DEPTH = 511


@dataclass(frozen=True)
class SoftmaxAttributes:
    """softmax(x) = exp(beta x) / sum of exp(beta x)."""

    beta: float


def _parse(raw: Any) -> SoftmaxAttributes | None:
    options = options_of(raw, "SoftmaxOptionsT")
    return None if options is None else SoftmaxAttributes(float32(options.beta))


def _real_factor(op: Operator) -> float:
    """From input steps to Q5.26, as TFLite's PreprocessSoftmaxScaling."""
    beta = require_attributes(op, SoftmaxAttributes).beta
    factor = beta * op.input(0).scale * (1 << (31 - _INPUT_INTEGER_BITS))
    return min(factor, (1 << 31) - 1.0)


def _check(op: Operator) -> None:
    source, output = require_unary(op)
    require_rank(op, source, range(1, LARGEST_RANK + 1), "input")
    ops.require(
        op,
        output.quantization == _OUTPUT_QUANTIZATION,
        "the output's scale must be 1/256 and its zero point -128",
    )
    ops.require(
        op,
        source.shape[-1] <= _LARGEST_DEPTH,
        f"the last axis must have at most {_LARGEST_DEPTH} elements, it has {source.shape[-1]}",
    )
    beta = require_attributes(op, SoftmaxAttributes).beta
    ops.require(
        op,
        math.isfinite(beta) and _real_factor(op) > 1,
        f"beta x input scale must be above 2^-26, beta is {beta:g}",
    )


def _scale(factor: float) -> tuple[int, int, int]:
    """Multiplier and shift to Q5.26, and the largest distance whose exponential TFLite computes."""
    multiplier, shift = quantize_multiplier(factor)
    return multiplier, shift, min(255, input_radius(_INPUT_INTEGER_BITS, shift))


def exponentials(factor: float) -> list[int]:
    """e^(-d * factor / 2^26) in Q0.31 for d = 0, 1, ..., without the end that changes no output.

    Args:
        factor: real factor from input steps to Q5.26, above 1 and below 2^31.
    """
    multiplier, shift, furthest = _scale(factor)
    table = [
        exp_on_negative_values(
            multiply_by_quantized_multiplier(-distance, multiplier, shift), _INPUT_INTEGER_BITS
        )
        for distance in range(furthest + 1)
    ]
    while table[-1] < _SMALLEST_EXPONENTIAL:
        table.pop()
    return table


def softmax_call(
    shape: tuple[int, ...], factor: float, source: Tensor | ConstArray, output: Tensor
) -> KernelCall:
    """The call with a table; an alternative computes exponentials. `factor` as for those."""
    depth = shape[-1]
    sizes: dict[str, FieldValue] = {"rows": math.prod(shape[:-1]), "depth": depth}
    multiplier, shift, furthest = _scale(factor)
    computed = KernelCall(
        "softmax_computed_s8",
        {**sizes, "multiplier": multiplier, "shift": shift, "furthest": furthest},
        (source,),
        (output,),
        scratch_bytes=4 * depth,
    )
    table = exponentials(factor)
    return KernelCall(
        "softmax_s8",
        {**sizes, "table_length": len(table), "table": int32_array("table", table)},
        (source,),
        (output,),
        alternatives=(computed,),
    )


def _lower(op: Operator) -> Step:
    source = op.input(0)
    operands = kernel_input(source, "input"), op.output
    return Step((op,), (softmax_call(source.shape, _real_factor(op), *operands),))


def _draw(rng: np.random.Generator) -> ops.SingleOpCase:
    depths = (between(rng, 2, 20), between(rng, 21, 200), between(rng, 201, _LARGEST_DRAWN_DEPTH))
    depth = 1 if chance(rng, 0.06) else pick(rng, depths)
    leading = tuple(between(rng, 1, 3) for _ in range(between(rng, 0, 3)))
    options = schema.SoftmaxOptionsT()
    options.beta = pick(rng, (1.0, 1.0, draw_scale(rng, 0.2, 5.0)))
    scale = draw_scale(rng, 0.005, 1.0)
    labels = set()
    if chance(rng, 0.1):
        scale, label = pick(rng, ((draw_scale(rng, 1e-6, 0.005), "tiny scale"), (20.0, "hard")))
        labels.add(label)
    source = Quantization((scale,), (draw_zero_point(rng),))
    shape = (*leading, depth)
    labels |= {f"rank {len(shape)}", "beta 1" if options.beta == 1 else "other beta"}
    labels.add("1 class" if depth == 1 else "to 200 classes" if depth <= 200 else "more classes")
    model = single_op_model(
        "SOFTMAX",
        [int8_operand(shape, source)],
        [int8_operand(shape, _OUTPUT_QUANTIZATION)],
        options,
    )
    return ops.SingleOpCase(model, zero_point_labels("input", source.zero_points[0]) | labels)


ops.register(
    ops.OperatorDefinition(
        kind="SOFTMAX",
        parse=_parse,
        output_shapes=same_shape,
        check=_check,
        macs=no_macs,
        lower=_lower,
        draw=_draw,
        options=zero_point_options("input")
        | {"1 class", "to 200 classes", "more classes", "beta 1", "other beta"}
        | {"tiny scale", "hard"}
        | {f"rank {rank}" for rank in range(1, 5)},
    )
)
