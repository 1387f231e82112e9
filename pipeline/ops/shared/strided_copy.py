"""What operators that only move elements share: copies with a stride along every output axis.

The C side is `firmware/kernels/strided_copy_s8.h`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.aot.program import FieldValue, KernelCall, Step, int32_array
from pipeline.graph import Operator
from pipeline.ops.shared.rules import kernel_input


@dataclass(frozen=True)
class StridedAxis:
    """An axis of the output.

    Attributes:
        extent: of the output.
        stride: distance of two neighbours in the input: 0 where they are the same element,
            negative where the input is walked backwards.
    """

    extent: int
    stride: int


def strided_copy_step(op: Operator, axes: Sequence[StridedAxis], offset: int = 0) -> Step:
    """A step that fills the output, row major over `axes`, from the input.

    Args:
        op: with an int8 input 0; no call is made where its elements stay in order, the output is
            then another name of its bytes.
        axes: at most 6 of the output, the outermost first.
        offset: of the first element in the input.
    """
    source = op.input(0)
    merged = merged_axes(axes)
    if merged == (StridedAxis(source.size, 1),) and not source.is_constant:
        return Step((op,), (), {op.output: source})
    call = KernelCall(
        kernel="strided_copy_s8",
        params={"offset": offset, **_loops(merged)},
        inputs=(kernel_input(source, "input"),),
        outputs=(op.output,),
    )
    return Step((op,), (call,))


def merged_axes(axes: Sequence[StridedAxis]) -> tuple[StridedAxis, ...]:
    """The same walk in as few axes as it can be, at least one."""
    merged: list[StridedAxis] = []
    for axis in axes:
        if axis.extent == 1:
            continue
        if merged and merged[-1].stride == axis.extent * axis.stride:
            axis = StridedAxis(merged.pop().extent * axis.extent, axis.stride)
        merged.append(axis)
    return tuple(merged) or (StridedAxis(1, 1),)


def _loops(axes: Sequence[StridedAxis]) -> dict[str, FieldValue]:
    """The loops of the kernel's parameters, which begin with the innermost."""
    inner, *outer = reversed(axes)
    behind = inner.extent * inner.stride
    jumps = []
    for axis in outer:
        jumps.append(axis.stride - behind)
        behind += (axis.extent - 1) * axis.stride
    return {
        "inner": inner.extent,
        "inner_step": inner.stride,
        "outer_loops": len(outer),
        "extents": int32_array("extents", [axis.extent for axis in outer]) if outer else None,
        "jumps": int32_array("jumps", jumps) if outer else None,
    }
