"""Graph -> what every operator of the file costs, before anything is compiled or run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pipeline import ops
from pipeline.graph import DType, Graph, Operator, Shape, Tensor


@dataclass(frozen=True)
class LayerCost:
    """One operator of the .tflite file.

    Attributes:
        index: position in the file, which is execution order.
        op: TFLite's operator name.
        output_shape: of the first output, batch first.
        macs: multiply-accumulates of one inference; None for an operator unknown to
            `pipeline.ops`.
        parameters: weights and biases, counted as the file stores them (the converter adds zero
            biases to layers that have none).
        weight_bytes: their size.
        activation_bytes: size of the outputs.
    """

    index: int
    op: str
    output_shape: Shape
    macs: int | None
    parameters: int
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class CostTable:
    """All operators and their totals.

    Attributes:
        macs: None where that of any operator is unknown.
        parameters, weight_bytes: constants that operators share count once.
        activation_bytes: the outputs of all operators; not what an arena needs, which lets
            tensors that do not live together share memory.
    """

    layers: tuple[LayerCost, ...]
    macs: int | None
    parameters: int
    weight_bytes: int
    activation_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return asdict(self)


def analyze(graph: Graph) -> CostTable:
    """The cost of one inference at the batch of the file, operator by operator."""
    layers = tuple(_layer_cost(op) for op in graph.operators)
    known = [layer.macs for layer in layers if layer.macs is not None]
    weights = list(dict.fromkeys(t for op in graph.operators for t in _weights(op)))
    return CostTable(
        layers=layers,
        macs=sum(known) if len(known) == len(layers) else None,
        parameters=_elements(weights),
        weight_bytes=_bytes(weights),
        activation_bytes=sum(layer.activation_bytes for layer in layers),
    )


def _layer_cost(op: Operator) -> LayerCost:
    definition = ops.definitions().get(op.kind)
    weights = _weights(op)
    return LayerCost(
        index=op.index,
        op=op.kind,
        output_shape=op.outputs[0].shape if op.outputs else (),
        macs=definition.macs(op) if definition else None,
        parameters=_elements(weights),
        weight_bytes=_bytes(weights),
        activation_bytes=_bytes(op.outputs),
    )


def _weights(op: Operator) -> list[Tensor]:
    """Constants with real values. Integers without a scale are shapes, axes and paddings."""
    return [
        tensor
        for tensor in dict.fromkeys(op.inputs)
        if tensor is not None
        and tensor.is_constant
        and (tensor.quantization is not None or tensor.dtype is DType.FLOAT32)
    ]


def _elements(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.size for tensor in tensors)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.size_bytes for tensor in tensors)
