"""DEQUANTIZE: int8 to float32 at a model's output.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/dequantize.h`. It multiplies
in double, where the product is exact, and rounds once to float32, as a float32 product does.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.program import KernelCall, Step
from pipeline.graph import DType, Operator
from pipeline.ops.shared.cases import (
    Operand,
    draw_quantization,
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
    require_dtype,
    require_output_shapes,
)
from pipeline.ops.shared.tables import draw_unary_shape, same_shape


def _check(op: Operator) -> None:
    require_output_shapes(op, same_shape(op))
    require_activation_tensor(op, op.input(0), "input")
    require_at_most_rank(op, op.output, LARGEST_RANK, "output")
    require_dtype(op, op.output, DType.FLOAT32, "output")


def _lower(op: Operator) -> Step:
    source = op.input(0)
    call = KernelCall(
        kernel="dequantize_s8_f32",
        params={"count": source.size, "scale": source.scale, "zero_point": source.zero_point},
        inputs=(kernel_input(source, "input"),),
        outputs=(op.output,),
    )
    return Step((op,), (call,))


def _draw(rng: np.random.Generator) -> ops.SingleOpCase:
    quantization = draw_quantization(rng)
    shape = draw_unary_shape(rng)
    model = single_op_model(
        "DEQUANTIZE",
        [int8_operand(shape, quantization)],
        [Operand(shape, DType.FLOAT32)],
        schema.DequantizeOptionsT(),
    )
    return ops.SingleOpCase(model, zero_point_labels("input", quantization.zero_points[0]))


ops.register(
    ops.OperatorDefinition(
        kind="DEQUANTIZE",
        output_shapes=same_shape,
        check=_check,
        macs=no_macs,
        lower=_lower,
        draw=_draw,
        options=zero_point_options("input"),
    )
)
