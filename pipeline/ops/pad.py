"""PAD (with the output's zero point) and PADV2 (with a given value) of int8 on any axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.program import KernelCall, Step, int32_array
from pipeline.graph import DType, Operator, Shape
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
    kernel_input,
    no_macs,
    require_activation_tensor,
    require_constant,
    require_dtype,
    require_input,
    require_operands,
    require_output_shapes,
    require_rank,
)

_LARGEST_RANK = 5  # of TFLM's kernel


@dataclass(frozen=True)
class _Axis:
    """Elements of the input along an axis, and elements to add on both sides."""

    size: int
    before: int
    after: int

    @property
    def padded(self) -> int:
        return self.before + self.size + self.after


def _require_axes(op: Operator) -> list[_Axis]:
    require_operands(op, (2, 3))
    source = require_input(op, 0, "input")
    require_rank(op, source, range(1, _LARGEST_RANK + 1), "input")
    paddings = require_input(op, 1, "paddings")
    require_dtype(op, paddings, DType.INT32, "paddings")
    values = require_constant(op, paddings, "paddings")
    ops.require(
        op,
        paddings.shape == (len(source.shape), 2) and bool((values >= 0).all()),
        f"the paddings must be {len(source.shape)} pairs of numbers of at least 0",
    )
    return [
        _Axis(size, int(before), int(after))
        for size, (before, after) in zip(source.shape, values, strict=True)
    ]


def _output_shapes(op: Operator) -> tuple[Shape]:
    return (tuple(axis.padded for axis in _require_axes(op)),)


def _check(op: Operator) -> None:
    require_output_shapes(op, _output_shapes(op))
    require_activation_tensor(op, op.input(0), "input")
    require_activation_tensor(op, op.output, "output")
    value = op.optional_input(2)
    if value is None:
        return
    require_activation_tensor(op, value, "pad value")
    require_constant(op, value, "pad value")
    ops.require(op, value.size == 1, "the pad value must be one number")
    ops.require(
        op,
        (value.scale, value.zero_point) == (op.output.scale, op.output.zero_point),
        "the pad value must have the output's scale and zero point",
    )


def _merged(axes: list[_Axis]) -> list[_Axis]:
    """The same padding with every axis that has none merged into the one before it."""
    merged = axes[:1]
    for axis in axes[1:]:
        if axis.padded == axis.size:
            last = merged.pop()
            axis = _Axis(*(n * axis.size for n in (last.size, last.before, last.after)))
        merged.append(axis)
    return merged


def _lower(op: Operator) -> Step:
    axes = _merged(_require_axes(op))
    inner = [math.prod(axis.padded for axis in axes[i + 1 :]) for i in range(len(axes))]
    before = [axis.before * size for axis, size in zip(axes, inner, strict=True)]
    after = [axis.after * size for axis, size in zip(axes, inner, strict=True)]
    # Between two rows lies the padding of all axes within the one that advances.
    gaps = [sum(before[i:]) + sum(after[i:]) for i in range(1, len(axes))]
    extents = [axis.size for axis in axes[:-1]]
    value = op.optional_input(2)
    fill = op.output.zero_point
    if value is not None and value.data is not None:
        fill = int(value.data.ravel()[0])
    call = KernelCall(
        kernel="pad_s8",
        params={
            "row_bytes": axes[-1].size,
            "leading": sum(before),
            "trailing": sum(after),
            "value": fill,
            "outer_loops": len(extents),
            "extents": int32_array("extents", extents[::-1]) if extents else None,
            "gaps": int32_array("gaps", gaps[::-1]) if gaps else None,
        },
        inputs=(kernel_input(op.input(0), "input"),),
        outputs=(op.output,),
    )
    return Step((op,), (call,))


def _draw(rng: np.random.Generator, kind: str) -> ops.SingleOpCase:
    rank = between(rng, 1, _LARGEST_RANK)
    shape = tuple(between(rng, 1, 5) for _ in range(rank))
    share = pick(rng, (0.0, 0.3, 0.6, 1.0))
    paddings = np.array(
        [[between(rng, 0, 3) if chance(rng, share) else 0 for _ in range(2)] for _ in shape],
        np.int32,
    )
    quantization = draw_quantization(rng)
    operands = [int8_operand(shape, quantization), Operand((rank, 2), DType.INT32, data=paddings)]
    labels = {f"rank {rank}"}
    if kind == "PADV2" or chance(rng, 0.2):
        value_shape = pick(rng, ((), (1,)))
        value = draw_int8(rng, value_shape)
        operands.append(Operand(value_shape, DType.INT8, quantization, value))
        labels.add("given value")
    else:
        labels.add("zero point")
    result = tuple(int(n) for n in np.add(shape, paddings.sum(axis=1)))
    padded = [bool(pair.any()) for pair in paddings]
    if not any(padded):
        labels.add("no padding")
    if all(padded):
        labels.add("every axis")
    labels |= {f"axis {i - rank}" for i in range(rank) if padded[i]}
    options = schema.PadOptionsT() if kind == "PAD" else schema.PadV2OptionsT()
    model = single_op_model(kind, operands, [int8_operand(result, quantization)], options)
    return ops.SingleOpCase(model, frozenset(labels))


_OPTIONS = frozenset(
    {
        *(f"rank {rank}" for rank in range(1, _LARGEST_RANK + 1)),
        *(f"axis {axis}" for axis in range(-_LARGEST_RANK, 0)),
        "no padding",
        "every axis",
        "given value",
    }
)

for _kind, _extra in (("PAD", {"zero point"}), ("PADV2", set())):
    ops.register(
        ops.OperatorDefinition(
            kind=_kind,
            output_shapes=_output_shapes,
            check=_check,
            macs=no_macs,
            lower=_lower,
            draw=partial(_draw, kind=_kind),
            options=_OPTIONS | _extra,
        )
    )
