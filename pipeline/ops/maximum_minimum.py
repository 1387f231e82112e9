"""MAXIMUM and MINIMUM: the larger or smaller element of two int8 tensors that broadcast."""

from __future__ import annotations

from functools import partial

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.program import KernelCall, Step
from pipeline.graph import Operator
from pipeline.ops.shared.broadcast import (
    SHAPE_OPTIONS,
    broadcast_loops,
    broadcast_shapes,
    draw_binary_inputs,
    require_broadcast_inputs,
)
from pipeline.ops.shared.cases import draw_quantization, int8_operand, single_op_model
from pipeline.ops.shared.rules import kernel_input, no_macs, require_quantized_alike

_FLIPS = {"MAXIMUM": 0, "MINIMUM": -1}  # of all bits before and after a maximum


def _check(op: Operator) -> None:
    require_quantized_alike(op, *require_broadcast_inputs(op))


def _lower(op: Operator) -> Step:
    first, second = op.input(0), op.input(1)
    call = KernelCall(
        kernel="maximum_minimum_s8",
        params=broadcast_loops(first.shape, second.shape).fields() | {"flip": _FLIPS[op.kind]},
        inputs=(kernel_input(first, "input1"), kernel_input(second, "input2")),
        outputs=(op.output,),
    )
    return Step((op,), (call,))


def _draw(rng: np.random.Generator, kind: str) -> ops.SingleOpCase:
    quantization = draw_quantization(rng)
    first, second, shape, labels = draw_binary_inputs(rng, (quantization, quantization))
    output = int8_operand(shape, quantization)
    model = single_op_model(kind, [first, second], [output], schema.MaximumMinimumOptionsT())
    return ops.SingleOpCase(model, labels)


for _kind in _FLIPS:
    ops.register(
        ops.OperatorDefinition(
            kind=_kind,
            output_shapes=broadcast_shapes,
            check=_check,
            macs=no_macs,
            lower=_lower,
            draw=partial(_draw, kind=_kind),
            options=SHAPE_OPTIONS,
        )
    )
