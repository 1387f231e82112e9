"""MEAN: the mean over some dimensions."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import FieldValue, KernelCall, Step
from pipeline.fixed_point import quantize_multiplier
from pipeline.graph import DType, Operator, Quantization, Shape
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.cases import Operand

_LARGEST_COUNT = 1 << 23  # 255 times as much fits 31 bits
_REDUCED_RUNS = 2  # that the kernel has loops for


@dataclass(frozen=True)
class MeanAttributes:
    """Attributes of MEAN.

    Attributes:
        keep_dims: whether reduced dimensions stay, with size 1.
    """

    keep_dims: bool


def _parse(raw: Any) -> MeanAttributes | None:
    options = rules.options_of(raw, "ReducerOptionsT")
    return None if options is None else MeanAttributes(bool(options.keepDims))


def _require_axes(op: Operator) -> frozenset[int]:
    """The reduced dimensions, none of them negative."""
    rules.require_attributes(op, MeanAttributes)
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


def _output_shapes(op: Operator) -> tuple[Shape, ...]:
    axes = _require_axes(op)
    shape = op.input(0).shape
    if op.attributes.keep_dims:
        return (tuple(1 if i in axes else size for i, size in enumerate(shape)),)
    return (tuple(size for i, size in enumerate(shape) if i not in axes),)


def _runs(shape: Shape, axes: frozenset[int]) -> list[tuple[bool, int]]:
    """Adjacent dimensions merged: (reduced, size) of each run; sizes of 1 belong to any run."""
    dimensions = [(i in axes, size) for i, size in enumerate(shape) if size > 1]
    return [
        (reduced, math.prod(size for _, size in run))
        for reduced, run in itertools.groupby(dimensions, key=lambda dimension: dimension[0])
    ]


def _count(op: Operator) -> int:
    return math.prod(op.input(0).shape[axis] for axis in _require_axes(op))


def _check(op: Operator) -> None:
    axes = _require_axes(op)
    source = op.input(0)
    rules.require_activation_tensor(op, source, "input")
    rules.require_activation_tensor(op, op.output, "output")
    rules.require_requantization(op, [source.scale / op.output.scale])
    require(
        op,
        sum(reduced for reduced, _ in _runs(source.shape, axes)) <= _REDUCED_RUNS,
        f"axes must form at most {_REDUCED_RUNS} runs of adjacent dimensions",
    )
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


def _loops(shape: Shape, axes: frozenset[int]) -> dict[str, FieldValue]:
    """Sizes of the kernel's loops, from the innermost outwards; loops without a run are of 1."""
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


def _lower(op: Operator) -> Step:
    source, count = op.input(0), _count(op)
    multiplier, shift = _mean_multiplier(source.scale / op.output.scale, count)
    params: dict[str, FieldValue] = {
        **_loops(source.shape, _require_axes(op)),
        "zero_point_sum": count * source.zero_point,
        "multiplier": multiplier,
        "shift": shift,
        "output_zero_point": op.output.zero_point,
    }
    return Step(
        (op,),
        (KernelCall("mean_s8", params, (rules.kernel_input(source, "input"),), (op.output,)),),
    )


_OPTIONS = cases.zero_point_options("input", "output") | {
    "keep_dims",
    "drops dimensions",
    "negative axis",
    "repeated axis",
    "scalar axis",
    "spatial axes of an image",
    "two runs",
    "all dimensions",
    "left shift",
    "right shift",
    "equal scales",
}


def _draw(rng: np.random.Generator) -> SingleOpCase:
    rank = cases.between(rng, 1, 5)
    shape = tuple(cases.pick(rng, (1, 2, 3, 4, 5, 8)) for _ in range(rank))
    axes = [i for i in range(rank) if cases.chance(rng, 0.5)] or [cases.between(rng, 0, rank - 1)]
    if cases.chance(rng, 0.15):
        shape, axes = (1, cases.between(rng, 1, 9), cases.between(rng, 1, 9), 8), [1, 2]
    if cases.chance(rng, 0.15):
        axes = list(range(len(shape)))
    if sum(reduced for reduced, _ in _runs(shape, frozenset(axes))) > _REDUCED_RUNS:
        axes = axes[:1]
    keep_dims = cases.chance(rng, 0.5)
    source, result, scale_label = _draw_quantization(rng, shape, axes)
    options = schema.ReducerOptionsT()
    options.keepDims = keep_dims
    data, axis_labels = _draw_axes(rng, axes, len(shape))
    reduced = frozenset(axes)
    output = tuple(
        1 if i in reduced else n for i, n in enumerate(shape) if keep_dims or i not in reduced
    )
    model = cases.single_op_model(
        "MEAN",
        (cases.int8_operand(shape, source), Operand(data.shape, DType.INT32, data=data)),
        (cases.int8_operand(output, result),),
        options,
    )
    found = {
        "keep_dims": keep_dims,
        "drops dimensions": not keep_dims,
        "spatial axes of an image": len(shape) == 4 and axes == [1, 2],
        "two runs": sum(is_reduced for is_reduced, _ in _runs(shape, reduced)) == _REDUCED_RUNS,
        "all dimensions": len(reduced) == len(shape) > 1,
    }
    labels = {label for label, holds in found.items() if holds} | axis_labels | {scale_label}
    return SingleOpCase(
        model,
        frozenset(labels)
        | cases.zero_point_labels("input", source.zero_points[0])
        | cases.zero_point_labels("output", result.zero_points[0]),
    )


def _draw_quantization(
    rng: np.random.Generator, shape: Shape, axes: list[int]
) -> tuple[Quantization, Quantization, str]:
    """Input and output, scaled so that the deviation of the mean is tens of output steps."""
    source = cases.draw_quantization(rng)
    if cases.chance(rng, 0.2):
        return source, source, "equal scales"
    deviation = 73.9 / math.sqrt(math.prod(shape[axis] for axis in axes))
    centre = source.zero_points[0] + 0.5  # of uniform inputs, in input steps from 0.0
    factor = min(rng.uniform(15, 60) / deviation, 150 / abs(centre))
    scale = cases.float32(source.scales[0] / factor)
    # This zero point puts the mean of uniform inputs near 0, the middle of the output's range.
    zero_point = min(max(round(centre * factor), rules.INT8_MIN), rules.INT8_MAX)
    if cases.chance(rng, 0.2):
        zero_point = cases.draw_zero_point(rng)
    label = "left shift" if source.scales[0] >= scale else "right shift"
    return source, Quantization((scale,), (zero_point,)), label


def _draw_axes(
    rng: np.random.Generator, axes: list[int], rank: int
) -> tuple[np.ndarray[Any, np.dtype[np.int32]], set[str]]:
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
    return data, labels


register(
    OperatorDefinition(
        kind="MEAN",
        output_shapes=_output_shapes,
        check=_check,
        macs=rules.no_macs,
        lower=_lower,
        draw=_draw,
        options=_OPTIONS,
        parse=_parse,
    )
)
