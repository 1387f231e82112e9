"""Which kernel calls can be made for a few output rows at a time, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pipeline.aot.program import ConstArray, FieldValue, KernelCall, Step
from pipeline.graph import Tensor
from pipeline.ops.shared.broadcast import broadcast_loops


@dataclass(frozen=True)
class RowWindow:
    """Rows of the input that an output row depends on: `extent` rows from row * stride - padding.

    Attributes:
        height: rows of the input; those outside are padding.
    """

    height: int
    extent: int = 1
    stride: int = 1
    padding: int = 0

    def first(self, row: int) -> int:
        """The first input row that output row `row` reads."""
        return min(self.height, max(0, row * self.stride - self.padding))

    def end(self, row: int) -> int:
        """Behind the last input row that any output row before `row` reads."""
        return min(self.height, max(0, (row - 1) * self.stride - self.padding + self.extent))


@dataclass(frozen=True)
class RowRange:
    """Rows first <= row < end of a tensor."""

    first: int
    end: int

    @property
    def count(self) -> int:
        return self.end - self.first


@dataclass(frozen=True, eq=False)
class RowStep:
    """A step whose output can be made row by row.

    Attributes:
        calls: as the step's.
        output: int8 or float32 [1][rows][columns][channels].
        windows: inputs of which only some rows are needed at a time; other inputs, broadcast ones,
            are needed whole for every row.
    """

    step: Step
    calls: tuple[KernelCall, ...]
    output: Tensor
    windows: Mapping[Tensor, RowWindow]
    _strips: dict[tuple[int, ...], tuple[KernelCall, ...]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.output.shape[1]

    def strip(self, rows: RowRange) -> tuple[KernelCall, ...]:
        """The calls that make some rows, on tensors that hold the rows needed and no more.

        Strips of equal shape and padding are the same calls, so that their parameters exist once.
        """
        ranges = {
            tensor: RowRange(window.first(rows.first), window.end(rows.end))
            for tensor, window in self.windows.items()
        }
        padding = max(max(0, w.padding - rows.first * w.stride) for w in self.windows.values())
        key = rows.count, padding, *(r.count for r in ranges.values())
        if key not in self._strips:
            stand_ins = {tensor: row_tensor(tensor, r.count) for tensor, r in ranges.items()}
            stand_ins[self.output] = row_tensor(self.output, rows.count)
            self._strips[key] = tuple(_strip_call(call, stand_ins, padding) for call in self.calls)
        return self._strips[key]


def row_tensor(tensor: Tensor, rows: int) -> Tensor:
    """A buffer for some rows of a tensor; no tensor of the graph."""
    batch, _, columns, channels = tensor.shape
    return replace(tensor, shape=(batch, rows, columns, channels))


def row_bytes(tensor: Tensor) -> int:
    """Bytes of one row [columns][channels]."""
    return tensor.size_bytes // tensor.shape[1]


def row_step(step: Step) -> RowStep | None:
    """The step as one that works row by row; None where it cannot."""
    outputs = {tensor for call in step.calls for tensor in call.outputs}
    if step.loops or step.aliases or len(outputs) != 1:
        return None
    (output,) = outputs
    if len(output.shape) != 4 or output.shape[0] != 1 or output.shape[1] < 2:
        return None
    windows: dict[Tensor, RowWindow] = {}
    for call in step.calls:
        find = _WINDOWS.get(call.kernel)
        found = None if find is None else find(call, output)
        if found is None or any(windows.get(t, w) != w for t, w in found.items()):
            return None
        windows |= found
    return RowStep(step, step.calls, output, windows) if windows else None


Windows = dict[Tensor, RowWindow]


def _spatial(call: KernelCall, _output: Tensor) -> Windows | None:
    p = call.params
    (source,) = call.inputs
    if not isinstance(source, Tensor) or p["batches"] != 1:
        return None
    extent = (_integer(p["kernel_height"]) - 1) * _integer(p.get("dilation_height", 1)) + 1
    height, stride, padding = (
        _integer(p[name]) for name in ("input_height", "stride_height", "padding_top")
    )
    return {source: RowWindow(height, extent, stride, padding)}


def _pointwise(call: KernelCall, output: Tensor) -> Windows | None:
    (source,) = call.inputs
    _, height, width, _ = output.shape
    if not isinstance(source, Tensor) or source.shape[:3] != (1, height, width):
        return None
    return {source: RowWindow(height)}


def _elementwise(call: KernelCall, output: Tensor) -> Windows | None:
    """Inputs are taken row by row, or whole where they are broadcast along rows."""
    windows = {}
    for operand in call.inputs:
        shape = operand.data.shape if isinstance(operand, ConstArray) else operand.shape
        aligned = (1,) * (4 - len(shape)) + tuple(shape)
        if aligned[1] == 1:
            continue
        if not isinstance(operand, Tensor) or operand.shape[:2] != output.shape[:2]:
            return None
        windows[operand] = RowWindow(output.shape[1])
    return windows


def _concatenated(call: KernelCall, output: Tensor) -> Windows | None:
    if call.params["blocks"] != output.shape[1] * output.shape[2]:
        return None  # along another axis than the channels
    return _pointwise(call, output)


_WINDOWS: Mapping[str, Callable[[KernelCall, Tensor], Windows | None]] = {
    "conv_2d_s8": _spatial,
    "depthwise_conv_2d_s8": _spatial,
    "max_pool_2d_s8": _spatial,
    "average_pool_2d_s8": _spatial,
    "fully_connected_s8": _pointwise,
    "lookup_s8": _pointwise,
    "concatenate_s8": _concatenated,
    "add_s8": _elementwise,
    "maximum_minimum_s8": _elementwise,
    "mul_s8": _elementwise,
    "sub_s8": _elementwise,
}


def _strip_call(call: KernelCall, stand_ins: Mapping[Tensor, Tensor], padding: int) -> KernelCall:
    inputs = tuple(stand_ins.get(o, o) if isinstance(o, Tensor) else o for o in call.inputs)
    outputs = tuple(stand_ins[tensor] for tensor in call.outputs)
    _, rows, columns, channels = outputs[0].shape
    changed: dict[str, FieldValue]
    if _WINDOWS[call.kernel] is _spatial:
        assert isinstance(inputs[0], Tensor)
        changed = {
            "input_height": inputs[0].shape[1],
            "output_height": rows,
            "padding_top": padding,
        }
    elif _WINDOWS[call.kernel] is _elementwise:
        first, second = (o.data.shape if isinstance(o, ConstArray) else o.shape for o in inputs)
        changed = broadcast_loops(first, second).fields()
    else:
        name, count = {
            "fully_connected_s8": ("rows", rows * columns),
            "concatenate_s8": ("blocks", rows * columns),
            "lookup_s8": ("count", rows * columns * channels),
        }[call.kernel]
        changed = {name: count}
    # What a kernel needs to stay clear of its input depends on the rows, but for elementwise ones.
    leads = (
        call.leads if _WINDOWS[call.kernel] is _elementwise or call.kernel == "lookup_s8" else ()
    )
    return replace(
        call, params={**call.params, **changed}, inputs=inputs, outputs=outputs, leads=leads
    )


def _integer(value: FieldValue) -> int:
    assert isinstance(value, int)
    return value
