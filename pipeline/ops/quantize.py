"""QUANTIZE: float32 to int8 at a model's input, and int8 to int8 of another scale by a table.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/quantize.h` and
`requantize.h`.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.program import KernelCall, Step
from pipeline.fixed_point import multiply_by_quantized_multiplier
from pipeline.graph import DType, Operator, Quantization
from pipeline.ops.shared.cases import (
    Operand,
    chance,
    draw_quantization,
    draw_zero_point,
    float32,
    int8_operand,
    single_op_model,
    zero_point_labels,
    zero_point_options,
)
from pipeline.ops.shared.rules import (
    LARGEST_RANK,
    kernel_input,
    no_macs,
    require_activation_tensor,
    require_at_most_rank,
    require_output_shapes,
)
from pipeline.ops.shared.tables import (
    clamp_int8,
    draw_unary_shape,
    lookup_step,
    require_rescaling,
    require_unary,
    same_shape,
)


def _check(op: Operator) -> None:
    require_output_shapes(op, same_shape(op))
    source = op.input(0)
    ops.require(
        op,
        source.dtype in (DType.FLOAT32, DType.INT8),
        f"input must be float32 or int8, it is {source.dtype.value}",
    )
    if source.dtype is DType.INT8:
        require_unary(op)
        _rescaling(op)
        return
    require_at_most_rank(op, source, LARGEST_RANK, "input")
    require_activation_tensor(op, op.output, "output")


def _rescaling(op: Operator) -> tuple[int, int]:
    return require_rescaling(op, op.input(0).scale / op.output.scale)


def _lower(op: Operator) -> Step:
    source, output = op.input(0), op.output
    if source.dtype is DType.INT8:
        multiplier, shift = _rescaling(op)
        return lookup_step(
            op,
            lambda value: clamp_int8(
                multiply_by_quantized_multiplier(value - source.zero_point, multiplier, shift)
                + output.zero_point
            ),
        )
    call = KernelCall(
        kernel="quantize_f32_s8",
        params={"count": source.size, "scale": output.scale, "zero_point": output.zero_point},
        inputs=(kernel_input(source, "input"),),
        outputs=(output,),
    )
    return Step((op,), (call,))


def _draw(rng: np.random.Generator) -> ops.SingleOpCase:
    output = draw_quantization(rng)
    shape = draw_unary_shape(rng)
    if chance(rng, 0.5):
        source = Operand(shape, DType.FLOAT32)
        labels = frozenset({"float32 input"})
    else:
        ratio = float(np.exp(rng.uniform(np.log(0.05), np.log(8.0))))
        scale = float32(output.scales[0] * ratio)
        quantization = Quantization((scale,), (draw_zero_point(rng),))
        source = int8_operand(shape, quantization)
        labels = frozenset({"int8 input", "left shift" if ratio >= 1 else "right shift"})
        labels |= zero_point_labels("input", quantization.zero_points[0])
    labels |= zero_point_labels("output", output.zero_points[0])
    model = single_op_model(
        "QUANTIZE", [source], [int8_operand(shape, output)], schema.QuantizeOptionsT()
    )
    return ops.SingleOpCase(model, labels)


ops.register(
    ops.OperatorDefinition(
        kind="QUANTIZE",
        output_shapes=same_shape,
        check=_check,
        macs=no_macs,
        lower=_lower,
        draw=_draw,
        options=zero_point_options("input", "output")
        | {"float32 input", "int8 input", "left shift", "right shift"},
    )
)
