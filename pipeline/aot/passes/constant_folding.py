"""Constant folding: tables and copies of constants are computed here instead of on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.aot.program import ConstArray, FieldValue, KernelCall, Step
from pipeline.graph import Graph, Tensor


def fold_constants(graph: Graph, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps without those that only look up or copy constants; readers get their result.

    A result that is an output of the model, or whose memory another tensor shares, stays.
    """
    kept_tensors = {*graph.outputs, *(t for step in steps for t in step.aliases.values())}
    folded: dict[Tensor, ConstArray] = {}
    kept = []
    for step in steps:
        reading = replace(step, calls=tuple(_with_constants(call, folded) for call in step.calls))
        result = None if kept_tensors.intersection(step.written) else _result(reading)
        if result is None:
            kept.append(reading)
        else:
            folded[step.calls[0].outputs[0]] = result
    return tuple(kept)


def _with_constants(call: KernelCall, folded: Mapping[Tensor, ConstArray]) -> KernelCall:
    inputs = tuple(
        ConstArray(f"folded{position}", folded[operand].data)
        if isinstance(operand, Tensor) and operand in folded
        else operand
        for position, operand in enumerate(call.inputs)
    )
    return replace(call, inputs=inputs)


def _result(step: Step) -> ConstArray | None:
    """What the step computes; None where it is not known here."""
    if not step.calls or step.loops or len(step.written) != 1:
        return None
    (output,) = step.written
    data = np.zeros(output.size, np.int8)
    for call in step.calls:
        (source, *others) = call.inputs
        evaluate = _EVALUATIONS.get(call.kernel)
        if evaluate is None or others or not isinstance(source, ConstArray):
            return None
        evaluate(call.params, source.data.ravel(), data)
    return ConstArray("folded", data.reshape(output.shape))


Int8Array = npt.NDArray[Any]


def _lookup(params: Mapping[str, FieldValue], source: Int8Array, output: Int8Array) -> None:
    table = params["table"]
    assert isinstance(table, ConstArray)
    output[:] = table.data[source.view(np.uint8)]


def _concatenate(params: Mapping[str, FieldValue], source: Int8Array, output: Int8Array) -> None:
    blocks, size, stride, offset = (
        value if isinstance(value := params[name], int) else 0
        for name in ("blocks", "block_bytes", "output_stride", "output_offset")
    )
    rows = output[: blocks * stride].reshape(blocks, stride)
    rows[:, offset : offset + size] = source.reshape(blocks, size)


_EVALUATIONS: Mapping[str, Callable[[Mapping[str, FieldValue], Int8Array, Int8Array], None]] = {
    "lookup_s8": _lookup,
    "concatenate_s8": _concatenate,
}
