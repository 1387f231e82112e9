"""How much of the input image one value of a tensor can depend on.

R = 1 + sum over layers of (k - 1) d times the product of all earlier strides, for kernel size k
and dilation d, along every path from the input; where paths join, the largest counts. (Araujo,
Norris, Sim: "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.)
Padding adds nothing, so that R can be more than the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import ops
from pipeline.graph import Graph, Operator, Tensor

# Every output value depends on the input values at its own place only.
_POINTWISE = (
    *("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "CONCATENATION", "SOFTMAX", "PAD", "PADV2"),
    *("RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "QUANTIZE", "DEQUANTIZE"),
)
_REDUCTIONS = ("MEAN", "REDUCE_MAX")
_RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")


@dataclass(frozen=True)
class _Axis:
    """One axis of an image.

    Attributes:
        field: elements of the input image that a value depends on.
        jump: distance in the input image of two neighbouring values.
        size: values along the axis, also after they were flattened.
    """

    field: int
    jump: int
    size: int

    def seen(self, extent: int, stride: int, size: int) -> _Axis:
        """After a window of `extent` values that moves by `stride`."""
        return _Axis(self.field + (extent - 1) * self.jump, self.jump * stride, size)

    def seen_whole(self) -> _Axis:
        """After an operator that takes all values of the axis."""
        return self.seen(self.size, 1, 1)


_Axes = tuple[_Axis, _Axis]


def receptive_fields(graph: Graph) -> dict[Tensor, tuple[int, int]]:
    """(rows, columns) of every activation for which the formula says something.

    Tensors are left out behind an operator that scales images up, cuts or transposes them, behind
    an operator that is unknown, and where the input is no image (batch, height, width, channels).
    """
    axes: dict[Tensor, _Axes] = {
        tensor: (_Axis(1, 1, tensor.shape[1]), _Axis(1, 1, tensor.shape[2]))
        for tensor in graph.inputs
        if len(tensor.shape) == 4
    }
    for op in graph.operators:
        inputs = [tensor for tensor in op.inputs if tensor is not None and not tensor.is_constant]
        if inputs and all(tensor in axes for tensor in inputs):
            after = _after(op, [axes[tensor] for tensor in inputs])
            if after is not None:
                axes |= dict.fromkeys(op.outputs, after)
    return {tensor: (rows.field, columns.field) for tensor, (rows, columns) in axes.items()}


def _after(op: Operator, inputs: Sequence[_Axes]) -> _Axes | None:
    definition = ops.definitions().get(op.kind)
    if definition is not None and definition.windows is not None:
        ((rows, columns),) = inputs
        down, across = definition.windows(op)
        return (
            rows.seen(down.extent, down.stride, down.output),
            columns.seen(across.extent, across.stride, across.output),
        )
    if op.kind == "FULLY_CONNECTED":
        return inputs[0][0].seen_whole(), inputs[0][1].seen_whole()
    if op.kind in _REDUCTIONS and len(op.input(0).shape) == 4:
        reduced = op.input(1).data
        rows, columns = inputs[0]
        along = set() if reduced is None else {int(axis) % 4 for axis in reduced.flat}
        return (
            rows.seen_whole() if 1 in along else rows,
            columns.seen_whole() if 2 in along else columns,
        )
    if op.kind in _POINTWISE:
        return _joined([rows for rows, _ in inputs]), _joined([columns for _, columns in inputs])
    return inputs[0] if op.kind in _RESHAPES else None


def _joined(axes: Sequence[_Axis]) -> _Axis:
    """Several paths; the widest one, as a broadcast factor has fewer values, has the places."""
    widest = max(axes, key=lambda axis: axis.size)
    return _Axis(max(axis.field for axis in axes), widest.jump, widest.size)
