"""STRIDED_SLICE: every stride-th element from begin to end along each axis.

Source of the rules: TensorFlow Lite, `kernels/internal/strided_slice_logic.h`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import Step
from pipeline.graph import DType, Operator, Shape
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.cases import Operand
from pipeline.ops.shared.strided_copy import StridedAxis, strided_copy_step

_LARGEST_RANK = 4  # of TFLM's kernel
_ROLES = ("begin", "end", "strides")  # inputs 1 to 3


@dataclass(frozen=True)
class StridedSliceAttributes:
    """Bit i of a mask is for axis i.

    Attributes:
        begin_mask: axes whose begin is ignored: they start at the first element, or at the last
            one where their stride is negative.
        end_mask: axes whose end is ignored.
        shrink_mask: axes of which one element is taken, and which the output does not have.
        extended: whether an ellipsis, a new axis or an end relative to the begin is asked for.
    """

    begin_mask: int
    end_mask: int
    shrink_mask: int
    extended: bool


def _parse(raw: Any) -> StridedSliceAttributes | None:
    options = rules.options_of(raw, "StridedSliceOptionsT")
    if options is None:
        return None
    return StridedSliceAttributes(
        begin_mask=int(options.beginMask),
        end_mask=int(options.endMask),
        shrink_mask=int(options.shrinkAxisMask),
        extended=bool(options.ellipsisMask or options.newAxisMask or options.offset),
    )


def _axis_range(size: int, begin: int, end: int, stride: int, masks: Sequence[bool]) -> range:
    """Indices taken along one axis; masks: ignore the begin, ignore the end, shrink."""
    no_begin, no_end, shrink = masks
    low, high = (0, size) if stride > 0 else (-1, size - 1)
    start = min(max(begin + size if begin < 0 else begin, low), high)
    if no_begin:
        start = 0 if stride > 0 else size - 1
    if shrink:
        # Only what exists can be picked, and only forwards.
        return range(start, start + 1) if 0 <= start < size and stride > 0 else range(0)
    stop = min(max(end + size if end < 0 else end, low), high)
    if no_end:
        stop = size if stride > 0 else -1
    return range(start, stop, stride)


def _ranges(op: Operator) -> tuple[range, ...]:
    """The indices taken along each axis of the input, none of them empty."""
    rules.require_operands(op, (4,))
    attributes = rules.require_attributes(op, StridedSliceAttributes)
    source = rules.require_input(op, 0, "input")
    rules.require_rank(op, source, range(1, _LARGEST_RANK + 1), "input")
    require(
        op, not attributes.extended, "an ellipsis, a new axis and an end as offset are not taken"
    )
    begins, ends, strides = (_numbers(op, i + 1, role) for i, role in enumerate(_ROLES))
    require(op, 0 not in strides, f"the strides must not be 0, they are {strides}")
    masks = (attributes.begin_mask, attributes.end_mask, attributes.shrink_mask)
    taken = tuple(
        _axis_range(size, begin, end, stride, [bool(mask >> axis & 1) for mask in masks])
        for axis, (size, begin, end, stride) in enumerate(
            zip(source.shape, begins, ends, strides, strict=True)
        )
    )
    require(
        op,
        all(len(indices) > 0 for indices in taken),
        f"it must take elements along every axis; of {source.shape} begin {begins}, end {ends} "
        f"and strides {strides} take {tuple(map(len, taken))}",
    )
    return taken


def _numbers(op: Operator, position: int, role: str) -> tuple[int, ...]:
    tensor = rules.require_input(op, position, role)
    rules.require_dtype(op, tensor, DType.INT32, role)
    values = tuple(int(value) for value in rules.require_constant(op, tensor, role).ravel())
    rank = len(op.input(0).shape)
    require(op, len(values) == rank, f"{role} must have {rank} numbers, it has {len(values)}")
    return values


def _output_shapes(op: Operator) -> tuple[Shape]:
    taken, shrink = _ranges(op), op.attributes.shrink_mask
    return (tuple(len(indices) for axis, indices in enumerate(taken) if not shrink >> axis & 1),)


def _check(op: Operator) -> None:
    rules.require_output_shapes(op, _output_shapes(op))
    rules.require_activation_tensor(op, op.input(0), "input")
    rules.require_activation_tensor(op, op.output, "output")
    rules.require_quantized_alike(op, op.input(0))


def _lower(op: Operator) -> Step:
    shape = op.input(0).shape
    axes, offset = [], 0
    for axis, indices in enumerate(_ranges(op)):
        distance = math.prod(shape[axis + 1 :])
        axes.append(StridedAxis(len(indices), indices.step * distance))
        offset += indices.start * distance
    return strided_copy_step(op, axes, offset)


# --- random cases ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _AxisDraw:
    size: int
    begin: int
    end: int
    stride: int
    masks: tuple[bool, bool, bool]
    taken: range


def _draw_axis(rng: np.random.Generator) -> _AxisDraw:
    """Drawn again until at least one element is taken."""
    size = cases.between(rng, 1, 7)
    if cases.chance(rng, 0.25):
        return _AxisDraw(size, 0, size, 1, (False, False, False), range(size))
    begin, end = (cases.between(rng, -size - 2, size + 2) for _ in range(2))
    stride = cases.pick(rng, (1, 1, 2, 3, -1, -2))
    masks = (cases.chance(rng, 0.15), cases.chance(rng, 0.15), cases.chance(rng, 0.15))
    taken = _axis_range(size, begin, end, stride, masks)
    return _AxisDraw(size, begin, end, stride, masks, taken) if taken else _draw_axis(rng)


def _draw(rng: np.random.Generator) -> SingleOpCase:
    axes = [_draw_axis(rng) for _ in range(cases.between(rng, 1, _LARGEST_RANK))]
    masks = [sum(axis.masks[i] << bit for bit, axis in enumerate(axes)) for i in range(3)]
    options = schema.StridedSliceOptionsT()
    options.beginMask, options.endMask, options.shrinkAxisMask = masks
    quantization = cases.draw_quantization(rng)
    numbers = [
        Operand((len(axes),), DType.INT32, data=np.array(values, np.int32))
        for values in zip(*((axis.begin, axis.end, axis.stride) for axis in axes), strict=True)
    ]
    output = tuple(len(axis.taken) for axis in axes if not axis.masks[2])
    model = cases.single_op_model(
        "STRIDED_SLICE",
        (cases.int8_operand(tuple(axis.size for axis in axes), quantization), *numbers),
        (cases.int8_operand(output, quantization),),
        options,
    )
    found = {
        f"rank {len(axes)}": True,
        "begin mask": masks[0] > 0,
        "end mask": masks[1] > 0,
        "shrink mask": masks[2] > 0,
        "scalar output": output == (),
        "negative stride": any(axis.stride < 0 for axis in axes),
        "stride above 1": any(axis.stride > 1 for axis in axes),
        "negative index": any(min(axis.begin, axis.end) < 0 for axis in axes),
        "index beyond the axis": any(max(axis.begin, axis.end) > axis.size for axis in axes),
        "everything": all(axis.taken == range(axis.size) for axis in axes),
    }
    return SingleOpCase(model, frozenset(label for label, holds in found.items() if holds))


register(
    OperatorDefinition(
        kind="STRIDED_SLICE",
        parse=_parse,
        output_shapes=_output_shapes,
        check=_check,
        macs=rules.no_macs,
        lower=_lower,
        draw=_draw,
        options=frozenset(
            {
                *(f"rank {rank}" for rank in range(1, _LARGEST_RANK + 1)),
                "begin mask",
                "end mask",
                "shrink mask",
                "scalar output",
                "negative stride",
                "stride above 1",
                "negative index",
                "index beyond the axis",
                "everything",
            }
        ),
    )
)
