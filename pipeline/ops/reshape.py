"""RESHAPE, SQUEEZE and EXPAND_DIMS: another shape over the same bytes; none is moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    draw_quantization,
    int8_operand,
    pick,
    single_op_model,
)
from pipeline.ops.shared.rules import (
    LARGEST_RANK,
    kernel_input,
    no_macs,
    options_of,
    require_at_most_rank,
    require_constant,
    require_dtype,
    require_input,
    require_operands,
    require_output_shapes,
)


@dataclass(frozen=True)
class ReshapeAttributes:
    """The new shape where no input gives it; an axis of -1 takes what is left."""

    new_shape: tuple[int, ...]


@dataclass(frozen=True)
class SqueezeAttributes:
    """Axes of 1 to drop, negative ones counted from the end; all of them where none is named."""

    axes: tuple[int, ...]


def _integers(vector: Any) -> tuple[int, ...]:
    return () if vector is None else tuple(int(value) for value in vector)


def _parse_reshape(raw: Any) -> ReshapeAttributes | None:
    options = options_of(raw, "ReshapeOptionsT")
    if options is None or options.newShape is None:
        return None
    return ReshapeAttributes(_integers(options.newShape))


def _parse_squeeze(raw: Any) -> SqueezeAttributes:
    options = options_of(raw, "SqueezeOptionsT")
    return SqueezeAttributes(() if options is None else _integers(options.squeezeDims))


def _reshape_shapes(op: Operator) -> tuple[Shape]:
    require_operands(op, (1, 2))
    source, target = require_input(op, 0, "input"), op.optional_input(1)
    if target is not None:
        require_dtype(op, target, DType.INT32, "new shape")
        wanted = _integers(require_constant(op, target, "new shape").ravel())
    elif isinstance(op.attributes, ReshapeAttributes):
        wanted = op.attributes.new_shape
    else:
        wanted = op.output.shape
    return (_resolved(op, wanted, source),)


def _resolved(op: Operator, wanted: Sequence[int], source: Tensor) -> Shape:
    """The wanted shape with an axis of -1 replaced by what is left of the source's elements."""
    known = math.prod(extent for extent in wanted if extent != -1)
    unknown = sum(extent == -1 for extent in wanted)
    ops.require(
        op,
        unknown <= 1 and known > 0 and source.size % known == 0,
        f"the shape {tuple(wanted)} does not hold the {source.size} elements of the input",
    )
    return tuple(source.size // known if extent == -1 else extent for extent in wanted)


def _squeeze_shapes(op: Operator) -> tuple[Shape]:
    require_operands(op, (1,))
    shape = require_input(op, 0, "input").shape
    named = op.attributes.axes if isinstance(op.attributes, SqueezeAttributes) else ()
    ops.require(
        op,
        all(-len(shape) <= axis < len(shape) and shape[axis] == 1 for axis in named),
        f"the axes {named} must have one element, the input's shape is {shape}",
    )
    dropped = {axis % len(shape) for axis in named} if named else set(range(len(shape)))
    return (tuple(n for axis, n in enumerate(shape) if not (n == 1 and axis in dropped)),)


def _expand_dims_shapes(op: Operator) -> tuple[Shape]:
    require_operands(op, (2,))
    shape = require_input(op, 0, "input").shape
    position = require_input(op, 1, "the axis")
    require_dtype(op, position, DType.INT32, "the axis")
    values = _integers(require_constant(op, position, "the axis").ravel())
    rank = len(shape) + 1
    ops.require(
        op,
        len(values) == 1 and -rank <= values[0] < rank,
        f"the axis must be one number in {-rank}..{rank - 1}, it is {values}",
    )
    axis = values[0] % rank
    return ((*shape[:axis], 1, *shape[axis:]),)


def _check_view(op: Operator, shapes: tuple[Shape]) -> None:
    require_output_shapes(op, shapes)
    source = op.input(0)
    require_dtype(op, op.output, source.dtype, "output")
    require_at_most_rank(op, source, LARGEST_RANK, "input")
    require_at_most_rank(op, op.output, LARGEST_RANK, "output")
    ops.require(op, source.size == op.output.size, "input and output must be of equal size")
    ops.require(
        op,
        not source.is_constant or source.dtype is DType.INT8,
        f"a constant input must be int8, it is {source.dtype.value}",
    )


def _check_expand_dims(op: Operator) -> None:
    _check_view(op, _expand_dims_shapes(op))
    supported = (DType.INT8, DType.INT16, DType.FLOAT32)  # of TFLM's kernel
    ops.require(
        op,
        op.output.dtype in supported,
        f"input must be {' or '.join(d.value for d in supported)}, it is {op.output.dtype.value}",
    )


def _lower(op: Operator) -> Step:
    """The output as another name of the input's bytes. A constant is read-only and outside the
    arena, where nothing can be its alias: it is copied."""
    source = op.input(0)
    if not source.is_constant:
        return Step((op,), (), {op.output: source})
    params = {"blocks": 1, "block_bytes": source.size, "output_stride": source.size}
    call = KernelCall(
        kernel="concatenate_s8",
        params={**params, "output_offset": 0},
        inputs=(kernel_input(source, "input"),),
        outputs=(op.output,),
    )
    return Step((op,), (call,))


# --- random cases ------------------------------------------------------------------------------


def _draw_shape(rng: np.random.Generator, extents: Sequence[int] = range(1, 7)) -> Shape:
    return tuple(pick(rng, extents) for _ in range(between(rng, 1, 4)))


def _draw_reshape(rng: np.random.Generator) -> ops.SingleOpCase:
    shape = _draw_shape(rng)
    result = _regrouped(rng, shape)
    wanted = list(result)
    quantization = draw_quantization(rng)
    operands = [int8_operand(shape, quantization)]
    options = schema.ReshapeOptionsT()
    labels = {f"rank {len(result)}"}
    if chance(rng, 0.5):
        wanted[between(rng, 0, len(wanted) - 1)] = -1
        labels.add("inferred axis")
    if chance(rng, 0.5):
        operands.append(Operand((len(wanted),), DType.INT32, data=np.array(wanted, np.int32)))
        labels.add("shape as input")
    else:
        options.newShape = wanted
        labels.add("shape as attribute")
    model = single_op_model("RESHAPE", operands, [int8_operand(result, quantization)], options)
    return ops.SingleOpCase(model, frozenset(labels))


def _regrouped(rng: np.random.Generator, shape: Shape) -> Shape:
    """A random shape of as many elements: the axes shuffled, some multiplied together."""
    result: list[int] = []
    for extent in rng.permutation(shape):
        if result and chance(rng, 0.4):
            result[-1] *= int(extent)
        else:
            result.append(int(extent))
    return tuple(result)


def _draw_squeeze(rng: np.random.Generator) -> ops.SingleOpCase:
    shape = (*_draw_shape(rng, (1, 1, 5, 7)), between(rng, 2, 9))
    ones = [axis for axis, extent in enumerate(shape) if extent == 1]
    options = schema.SqueezeOptionsT()
    named = [axis for axis in ones if chance(rng, 0.5)]
    dropped = set(named or ones)
    labels = {"named axes" if named else "all axes"}
    if named and chance(rng, 0.5):
        named = [axis - len(shape) for axis in named]
        labels.add("negative axis")
    options.squeezeDims = named
    result = tuple(extent for axis, extent in enumerate(shape) if axis not in dropped)
    quantization = draw_quantization(rng)
    operands = [int8_operand(shape, quantization)]
    model = single_op_model("SQUEEZE", operands, [int8_operand(result, quantization)], options)
    return ops.SingleOpCase(model, frozenset(labels))


def _draw_expand_dims(rng: np.random.Generator) -> ops.SingleOpCase:
    shape = _draw_shape(rng)
    axis = between(rng, 0, len(shape))
    result = (*shape[:axis], 1, *shape[axis:])
    labels = {f"axis {axis}"}
    given = axis
    if chance(rng, 0.5):
        given = axis - len(result)
        labels.add("negative axis")
    quantization = draw_quantization(rng)
    position = pick(rng, ((), (1,)))
    operands = [
        int8_operand(shape, quantization),
        Operand(position, DType.INT32, data=np.full(position, given, np.int32)),
    ]
    output = int8_operand(result, quantization)
    model = single_op_model("EXPAND_DIMS", operands, [output], schema.ExpandDimsOptionsT())
    return ops.SingleOpCase(model, frozenset(labels))


ops.register(
    ops.OperatorDefinition(
        kind="RESHAPE",
        parse=_parse_reshape,
        output_shapes=_reshape_shapes,
        check=lambda op: _check_view(op, _reshape_shapes(op)),
        macs=no_macs,
        lower=_lower,
        draw=_draw_reshape,
        options=frozenset(
            {"inferred axis", "shape as input", "shape as attribute"}
            | {f"rank {rank}" for rank in range(1, 5)}
        ),
    )
)
ops.register(
    ops.OperatorDefinition(
        kind="SQUEEZE",
        parse=_parse_squeeze,
        output_shapes=_squeeze_shapes,
        check=lambda op: _check_view(op, _squeeze_shapes(op)),
        macs=no_macs,
        lower=_lower,
        draw=_draw_squeeze,
        options=frozenset({"named axes", "all axes", "negative axis"}),
    )
)
ops.register(
    ops.OperatorDefinition(
        kind="EXPAND_DIMS",
        output_shapes=_expand_dims_shapes,
        check=_check_expand_dims,
        macs=no_macs,
        lower=_lower,
        draw=_draw_expand_dims,
        options=frozenset({"negative axis", *(f"axis {axis}" for axis in range(5))}),
    )
)
