"""Graph -> what every operator of the file costs, before anything is compiled or run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pipeline import ops
from pipeline.analysis.receptive_field import receptive_fields
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
        receptive_field: rows and columns of the input image that a value of the first output
            depends on (`pipeline.analysis.receptive_field`); None where the formula says nothing.
        bytes_moved: inputs, constants and outputs, each once: what an ideal core must move.
        macs_per_byte: arithmetic intensity, `macs` / `bytes_moved`; None where `macs` is.
    """

    index: int
    op: str
    output_shape: Shape
    macs: int | None
    parameters: int
    weight_bytes: int
    activation_bytes: int
    receptive_field: tuple[int, int] | None
    bytes_moved: int
    macs_per_byte: float | None


@dataclass(frozen=True)
class CostTable:
    """All operators and their totals.

    Attributes:
        macs: None where that of any operator is unknown.
        parameters, weight_bytes: constants that operators share count once.
        activation_bytes: the outputs of all operators; not what an arena needs, which lets
            tensors that do not live together share memory.
        bytes_moved, macs_per_byte: as of a layer, summed over all.
    """

    layers: tuple[LayerCost, ...]
    macs: int | None
    parameters: int
    weight_bytes: int
    activation_bytes: int
    bytes_moved: int
    macs_per_byte: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> CostTable:
        """The inverse of `to_json` and JSON."""
        layers = tuple(_layer_from_json(layer) for layer in values["layers"])
        return cls(**{**values, "layers": layers})


def analyze(graph: Graph) -> CostTable:
    """The cost of one inference at the batch of the file, operator by operator."""
    fields = receptive_fields(graph)
    layers = tuple(_layer_cost(op, fields) for op in graph.operators)
    known = [layer.macs for layer in layers if layer.macs is not None]
    macs = sum(known) if len(known) == len(layers) else None
    moved = sum(layer.bytes_moved for layer in layers)
    weights = list(dict.fromkeys(t for op in graph.operators for t in _weights(op)))
    return CostTable(
        layers=layers,
        macs=macs,
        parameters=_elements(weights),
        weight_bytes=_bytes(weights),
        activation_bytes=sum(layer.activation_bytes for layer in layers),
        bytes_moved=moved,
        macs_per_byte=_intensity(macs, moved),
    )


def _layer_cost(op: Operator, fields: dict[Tensor, tuple[int, int]]) -> LayerCost:
    definition = ops.definitions().get(op.kind)
    weights = _weights(op)
    macs = definition.macs(op) if definition else None
    inputs = [tensor for tensor in dict.fromkeys(op.inputs) if tensor is not None]
    moved = _bytes(inputs) + _bytes(op.outputs)
    return LayerCost(
        index=op.index,
        op=op.kind,
        output_shape=op.outputs[0].shape if op.outputs else (),
        macs=macs,
        parameters=_elements(weights),
        weight_bytes=_bytes(weights),
        activation_bytes=_bytes(op.outputs),
        receptive_field=fields.get(op.outputs[0]) if op.outputs else None,
        bytes_moved=moved,
        macs_per_byte=_intensity(macs, moved),
    )


def _intensity(macs: int | None, bytes_moved: int) -> float | None:
    return None if macs is None or not bytes_moved else round(macs / bytes_moved, 3)


def _layer_from_json(values: dict[str, Any]) -> LayerCost:
    field = values["receptive_field"]
    return LayerCost(
        **{
            **values,
            "output_shape": tuple(values["output_shape"]),
            "receptive_field": None if field is None else tuple(field),
        }
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
