"""What MEAN and REDUCE_MAX share: reduced dimensions, the kernels' loops and random cases.

The kernels reduce up to two runs of adjacent dimensions; `firmware/kernels/mean_s8.h` has the
layout.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import FieldValue
from pipeline.graph import DType, Operator, Shape
from pipeline.ops import require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.cases import Operand

_REDUCED_RUNS = 2  # that the kernels have loops for


@dataclass(frozen=True)
class ReductionAttributes:
    """Attributes of both operators.

    Attributes:
        keep_dims: whether reduced dimensions stay, with size 1.
    """

    keep_dims: bool


def parse_reduction(raw: Any) -> ReductionAttributes | None:
    """Typed attributes from a schema options object; None where it is absent or of another type."""
    options = rules.options_of(raw, "ReducerOptionsT")
    return None if options is None else ReductionAttributes(bool(options.keepDims))


def require_axes(op: Operator) -> frozenset[int]:
    """The reduced dimensions, none of them negative."""
    rules.require_attributes(op, ReductionAttributes)
    rules.require_operands(op, (2,))
    rank = len(rules.require_input(op, 0, "input").shape)
    axes = rules.require_input(op, 1, "axes")
    rules.require_dtype(op, axes, DType.INT32, "axes")
    values = [int(axis) for axis in rules.require_constant(op, axes, "axes").ravel()]
    require(
        op,
        all(-rank <= axis < rank for axis in values),
        f"axes of {rank} dimensions must be in {-rank}..{rank - 1}, they are {values}",
    )
    return frozenset(axis % rank for axis in values)


def reduced_shapes(op: Operator) -> tuple[Shape, ...]:
    """The shape rule."""
    return (_reduced_shape(op.input(0).shape, require_axes(op), op.attributes.keep_dims),)


def _reduced_shape(shape: Shape, axes: frozenset[int], keep_dims: bool) -> Shape:
    if keep_dims:
        return tuple(1 if i in axes else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in axes)


def require_reduction(op: Operator) -> frozenset[int]:
    """The reduced dimensions; refuses all but int8 quantized per tensor, and more than two runs."""
    axes = require_axes(op)
    rules.require_activation_tensor(op, op.input(0), "input")
    rules.require_activation_tensor(op, op.output, "output")
    require(
        op,
        _reduced_runs(op.input(0).shape, axes) <= _REDUCED_RUNS,
        f"axes must form at most {_REDUCED_RUNS} runs of adjacent dimensions",
    )
    return axes


def _runs(shape: Shape, axes: frozenset[int]) -> list[tuple[bool, int]]:
    """Adjacent dimensions merged: (reduced, size) of each run; sizes of 1 belong to any run."""
    dimensions = [(i in axes, size) for i, size in enumerate(shape) if size > 1]
    return [
        (reduced, math.prod(size for _, size in run))
        for reduced, run in itertools.groupby(dimensions, key=lambda dimension: dimension[0])
    ]


def _reduced_runs(shape: Shape, axes: frozenset[int]) -> int:
    return sum(reduced for reduced, _ in _runs(shape, axes))


def reduction_loops(shape: Shape, axes: frozenset[int]) -> dict[str, FieldValue]:
    """Sizes of the kernels' loops, from the innermost outwards; loops without a run are of 1."""
    loops: dict[str, FieldValue] = dict.fromkeys(
        ("kept_0", "reduced_0", "kept_1", "reduced_1", "kept_2"), 1
    )
    names = list(reversed(loops))
    position = 0
    for reduced, size in reversed(_runs(shape, axes)):
        position += names[position].startswith("reduced") is not reduced
        loops[names[position]] = size
        position += 1
    return loops


# --- random cases ------------------------------------------------------------------------------

REDUCTION_OPTIONS = frozenset(
    {
        "keep_dims",
        "drops dimensions",
        "negative axis",
        "repeated axis",
        "scalar axis",
        "spatial axes of an image",
        "two runs",
        "all dimensions",
    }
)


@dataclass(frozen=True, eq=False)
class ReductionDraw:
    """A random reduction.

    Attributes:
        shape: of the input.
        axes: input 1 of the operator.
        options: the schema's.
        count: elements of the input per element of the output.
        output: the output's shape.
        labels: those of REDUCTION_OPTIONS that it exercises.
    """

    shape: Shape
    axes: Operand
    options: Any
    count: int
    output: Shape
    labels: frozenset[str]


def draw_reduction(rng: np.random.Generator) -> ReductionDraw:
    """Draws shape, axes and keep_dims."""
    shape, axes = _draw_dimensions(rng)
    reduced = frozenset(axes)
    options = schema.ReducerOptionsT()
    options.keepDims = cases.chance(rng, 0.5)
    operand, axis_labels = _draw_axes(rng, axes, len(shape))
    found = {
        "keep_dims": options.keepDims,
        "drops dimensions": not options.keepDims,
        "spatial axes of an image": len(shape) == 4 and axes == [1, 2],
        "two runs": _reduced_runs(shape, reduced) == _REDUCED_RUNS,
        "all dimensions": len(reduced) == len(shape) > 1,
    }
    return ReductionDraw(
        shape=shape,
        axes=operand,
        options=options,
        count=math.prod(shape[axis] for axis in axes),
        output=_reduced_shape(shape, reduced, options.keepDims),
        labels=axis_labels | {label for label, holds in found.items() if holds},
    )


def _draw_dimensions(rng: np.random.Generator) -> tuple[Shape, list[int]]:
    rank = cases.between(rng, 1, 5)
    shape = tuple(cases.pick(rng, (1, 2, 3, 4, 5, 8)) for _ in range(rank))
    axes = [i for i in range(rank) if cases.chance(rng, 0.5)] or [cases.between(rng, 0, rank - 1)]
    if cases.chance(rng, 0.15):
        shape, axes = (1, cases.between(rng, 1, 9), cases.between(rng, 1, 9), 8), [1, 2]
    if cases.chance(rng, 0.15):
        axes = list(range(len(shape)))
    if _reduced_runs(shape, frozenset(axes)) > _REDUCED_RUNS:
        axes = axes[:1]
    return shape, axes


def _draw_axes(
    rng: np.random.Generator, axes: list[int], rank: int
) -> tuple[Operand, frozenset[str]]:
    """The constant as a file may hold it: in any order, negative, repeated, or a scalar."""
    labels = set()
    values = [int(axis) for axis in rng.permutation(axes)]
    if cases.chance(rng, 0.3):
        values = [axis - rank if cases.chance(rng, 0.5) else axis for axis in values]
    if cases.chance(rng, 0.15):
        values.append(values[0] % rank)
        labels.add("repeated axis")
    if min(values) < 0:
        labels.add("negative axis")
    data = np.array(values, np.int32)
    if len(values) == 1 and cases.chance(rng, 0.3):
        data = data.reshape(())
        labels.add("scalar axis")
    return Operand(data.shape, DType.INT32, data=data), frozenset(labels)
