"""TRANSPOSE: the axes in another order."""

from __future__ import annotations

import math

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import Step
from pipeline.graph import DType, Operator, Shape
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.cases import Operand
from pipeline.ops.shared.strided_copy import StridedAxis, merged_axes, strided_copy_step

_LARGEST_RANK = 5  # of TFLM's kernel


def _permutation(op: Operator) -> tuple[int, ...]:
    """The input's axis of every axis of the output."""
    rules.require_operands(op, (2,))
    source = rules.require_input(op, 0, "input")
    given = rules.require_input(op, 1, "permutation")
    rules.require_rank(op, source, range(1, _LARGEST_RANK + 1), "input")
    rules.require_dtype(op, given, DType.INT32, "permutation")
    values = tuple(int(axis) for axis in rules.require_constant(op, given, "permutation").ravel())
    rank = len(source.shape)
    require(
        op,
        sorted(values) == list(range(rank)) and len(given.shape) == 1,
        f"the permutation must name each of 0..{rank - 1} once, it is {values}",
    )
    return values


def _output_shapes(op: Operator) -> tuple[Shape]:
    shape = rules.require_input(op, 0, "input").shape
    return (tuple(shape[axis] for axis in _permutation(op)),)


def _check(op: Operator) -> None:
    rules.require_output_shapes(op, _output_shapes(op))
    rules.require_activation_tensor(op, op.input(0), "input")
    rules.require_activation_tensor(op, op.output, "output")
    rules.require_quantized_alike(op, op.input(0))


def _axes(shape: Shape, permutation: tuple[int, ...]) -> list[StridedAxis]:
    return [StridedAxis(shape[axis], math.prod(shape[axis + 1 :])) for axis in permutation]


def _lower(op: Operator) -> Step:
    return strided_copy_step(op, _axes(op.input(0).shape, _permutation(op)))


def _draw(rng: np.random.Generator) -> SingleOpCase:
    rank = cases.between(rng, 1, _LARGEST_RANK)
    shape = tuple(cases.between(rng, 1, 6) for _ in range(rank))
    permutation = tuple(int(axis) for axis in rng.permutation(rank))
    quantization = cases.draw_quantization(rng)
    data = np.array(permutation, np.int32)
    output = cases.int8_operand(tuple(shape[axis] for axis in permutation), quantization)
    model = cases.single_op_model(
        "TRANSPOSE",
        (cases.int8_operand(shape, quantization), Operand(data.shape, DType.INT32, data=data)),
        (output,),
        schema.TransposeOptionsT(),
    )
    merged = merged_axes(_axes(shape, permutation))
    labels = {f"rank {rank}", "view" if len(merged) == 1 else f"{len(merged)} loops"}
    if len(merged) > 1 and merged[-1].stride == 1:
        labels.add("rows stay whole")
    return SingleOpCase(model, frozenset(labels))


register(
    OperatorDefinition(
        kind="TRANSPOSE",
        output_shapes=_output_shapes,
        check=_check,
        macs=rules.no_macs,
        lower=_lower,
        draw=_draw,
        options=frozenset(
            {"view", "rows stay whole"}
            | {f"rank {rank}" for rank in range(1, _LARGEST_RANK + 1)}
            | {f"{loops} loops" for loops in range(2, _LARGEST_RANK + 1)}
        ),
    )
)
