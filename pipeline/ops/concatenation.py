"""CONCATENATION of int8 tensors of one scale and zero point along any axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.program import KernelCall, Step
from pipeline.graph import DType, Operator, Shape, Tensor
from pipeline.ops.shared.cases import (
    Operand,
    between,
    chance,
    draw_int8,
    draw_quantization,
    int8_operand,
    pick,
    single_op_model,
)
from pipeline.ops.shared.rules import (
    LARGEST_RANK,
    Activation,
    kernel_input,
    no_macs,
    options_of,
    require_activation_tensor,
    require_attributes,
    require_input,
    require_output_shapes,
    require_rank,
)

_MOST_INPUTS = 10  # of TFLM's kernel


@dataclass(frozen=True)
class ConcatenationAttributes:
    """A negative axis counts from the last one."""

    axis: int
    activation: Activation


def _parse(raw: Any) -> ConcatenationAttributes | None:
    options = options_of(raw, "ConcatenationOptionsT")
    if options is None:
        return None
    return ConcatenationAttributes(int(options.axis), Activation(options.fusedActivationFunction))


def _require_inputs(op: Operator) -> tuple[list[Tensor], int]:
    """The inputs, which differ in no axis but the returned one."""
    ops.require(
        op,
        1 <= len(op.inputs) <= _MOST_INPUTS and len(op.outputs) == 1,
        f"it must have 1 to {_MOST_INPUTS} inputs and 1 output, it has {len(op.inputs)} and "
        f"{len(op.outputs)}",
    )
    attributes = require_attributes(op, ConcatenationAttributes)
    inputs = [require_input(op, i, f"input {i}") for i in range(len(op.inputs))]
    rank = len(inputs[0].shape)
    require_rank(op, inputs[0], range(1, LARGEST_RANK + 1), "input 0")
    ops.require(
        op,
        -rank <= attributes.axis < rank,
        f"the axis must be in {-rank}..{rank - 1}, it is {attributes.axis}",
    )
    axis = attributes.axis % rank
    others = {(*tensor.shape[:axis], 1, *tensor.shape[axis + 1 :]) for tensor in inputs}
    ops.require(
        op,
        len(others) == 1 and all(len(tensor.shape) == rank for tensor in inputs),
        f"the inputs must have the same shape but for axis {axis}, they have "
        f"{', '.join(str(tensor.shape) for tensor in inputs)}",
    )
    return inputs, axis


def _output_shapes(op: Operator) -> tuple[Shape]:
    inputs, axis = _require_inputs(op)
    shape = list(inputs[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in inputs)
    return (tuple(shape),)


def _check(op: Operator) -> None:
    inputs, _ = _require_inputs(op)
    activation = require_attributes(op, ConcatenationAttributes).activation
    ops.require(
        op,
        activation is Activation.NONE,
        f"its fused activation must be NONE, it is {activation.name}",
    )
    require_activation_tensor(op, op.output, "output")
    for index, tensor in enumerate(inputs):
        require_activation_tensor(op, tensor, f"input {index}")
        ops.require(
            op,
            (tensor.scale, tensor.zero_point) == (op.output.scale, op.output.zero_point),
            f"input {index} must have the output's scale and zero point",
        )
    require_output_shapes(op, _output_shapes(op))


def _lower(op: Operator) -> Step:
    inputs, axis = _require_inputs(op)
    shape = op.output.shape
    calls = []
    offset = 0
    for tensor in inputs:
        block_bytes = math.prod(tensor.shape[axis:])
        calls.append(
            KernelCall(
                kernel="concatenate_s8",
                params={
                    "blocks": math.prod(shape[:axis]),
                    "block_bytes": block_bytes,
                    "output_stride": math.prod(shape[axis:]),
                    "output_offset": offset,
                },
                inputs=(kernel_input(tensor, "input"),),
                outputs=(op.output,),
            )
        )
        offset += block_bytes
    return Step((op,), tuple(calls))


def _draw(rng: np.random.Generator) -> ops.SingleOpCase:
    rank = between(rng, 1, LARGEST_RANK)
    axis = pick(rng, (0, rank - 1, between(rng, 0, rank - 1)))
    count = pick(rng, (1, 2, 2, 3, between(rng, 4, _MOST_INPUTS), _MOST_INPUTS))
    quantization = draw_quantization(rng)
    shape = tuple(between(rng, 1, 4) for _ in range(rank))
    operands = [int8_operand(shape, quantization)]
    labels = {f"axis {axis}", f"{count} inputs" if count in (1, 2, _MOST_INPUTS) else "more inputs"}
    for _ in range(count - 1):
        part = (*shape[:axis], between(rng, 1, 6), *shape[axis + 1 :])
        if chance(rng, 0.2):
            operands.append(Operand(part, DType.INT8, quantization, draw_int8(rng, part)))
            labels.add("constant input")
        elif chance(rng, 0.1):
            operands.append(operands[0])
            labels.add("same tensor twice")
        else:
            operands.append(int8_operand(part, quantization))
    order = [operands[i] for i in rng.permutation(count)]
    extent = sum(operand.shape[axis] for operand in order)
    output = int8_operand((*shape[:axis], extent, *shape[axis + 1 :]), quantization)
    options = schema.ConcatenationOptionsT()
    options.axis = axis
    if chance(rng, 0.3):
        options.axis = axis - rank
        labels.add("negative axis")
    model = single_op_model("CONCATENATION", order, [output], options)
    return ops.SingleOpCase(model, frozenset(labels))


ops.register(
    ops.OperatorDefinition(
        kind="CONCATENATION",
        parse=_parse,
        output_shapes=_output_shapes,
        check=_check,
        macs=no_macs,
        lower=_lower,
        draw=_draw,
        options=frozenset(
            {
                *(f"axis {axis}" for axis in range(LARGEST_RANK)),
                *(f"{count} inputs" for count in (1, 2, _MOST_INPUTS)),
                "more inputs",
                "negative axis",
                "constant input",
                "same tensor twice",
            }
        ),
    )
)
