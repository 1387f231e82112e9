"""Pad into convolution: a PAD in front of a convolution becomes the convolution's own padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.aot.params import integer
from pipeline.aot.program import FieldValue, Step
from pipeline.graph import Graph, Operator, Tensor

_KERNELS = frozenset({"conv_2d_s8", "depthwise_conv_2d_s8"})
_PADS = frozenset({"PAD", "PADV2"})


def pad_into_convolution(graph: Graph, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with every PAD joined to the convolution that alone reads it.

    Exact where the pad value is the zero point of the convolution's input, as taps outside the
    image add nothing and taps on the zero point neither.
    """
    readers: dict[Tensor, list[Step]] = {}
    for step in steps:
        for tensor in (*step.touched, *step.aliases.values()):
            if tensor not in step.written:
                readers.setdefault(tensor, []).append(step)
    joined: dict[Step, Step] = {}
    for step in steps:
        if step.operators[0].kind not in _PADS or len(step.operators) != 1:
            continue
        reading = readers.get(step.operators[0].output, [])
        if len(reading) == 1 and step.operators[0].output not in graph.outputs:
            merged = _joined(step.operators[0], reading[0])
            if merged is not None:
                joined[reading[0]] = merged
    taken = {op for step in joined.values() for op in step.operators}
    return tuple(
        joined.get(step, step)
        for step in steps
        if step in joined or taken.isdisjoint(step.operators)
    )


def _joined(pad: Operator, step: Step) -> Step | None:
    """The convolution with the padding of `pad`, or None where that is not the same."""
    if len(step.calls) != 1 or step.calls[0].kernel not in _KERNELS:
        return None
    (call,) = step.calls
    paddings, value = pad.input(1).data, pad.optional_input(2)
    source = pad.input(0)
    if paddings is None or len(source.shape) != 4 or source.is_constant:
        return None
    fill = pad.output.zero_point if value is None or value.data is None else int(value.data.flat[0])
    if fill != call.params["input_zero_point"] or paddings[[0, 3]].any():
        return None
    changed: dict[str, FieldValue] = {}
    for name, side, axis in (("height", "top", 1), ("width", "left", 2)):
        before = int(paddings[axis][0]) + integer(call, f"padding_{side}")
        extent = (integer(call, f"kernel_{name}") - 1) * integer(call, f"dilation_{name}") + 1
        last = (integer(call, f"output_{name}") - 1) * integer(call, f"stride_{name}") - before
        if before >= extent or last >= source.shape[axis]:
            return None  # a window would lie outside the image altogether
        changed |= {f"padding_{side}": before, f"input_{name}": source.shape[axis]}
    new = replace(call, params={**call.params, **changed}, inputs=(source,))
    return replace(step, operators=(pad, *step.operators), calls=(new,))
