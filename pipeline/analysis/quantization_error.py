"""What int8 makes of every layer: its weights, and how far outputs are from those in float32."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.golden import golden_tensors_of
from pipeline.graph import Graph, Operator, Tensor
from pipeline.quantize import quantize
from pipeline.tflite_reader import read_tflite

BINS = 51
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
# They have no counterpart in float32, or one that does nothing.
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")

_FLOAT32_NOISE = 2.0**-44  # power of a value's rounding, relative to the value's, and some more

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LayerExamination:
    """One operator of the int8 model.

    Attributes:
        weight_shape: as in the file; None, like the next two, where it has no int8 weights.
        histogram: how many weights lie in each of `BINS` bins of five values, -127..127 (-128,
            which TFLite does not write, counts with the lowest).
        zero_share: weights that are 0, as a share of 0..1.
        weight_sqnr_db: signal-to-quantization-noise ratio of the weights, 10 log10 of the sum of
            w^2 over the sum of (w - w')^2; w are the float32 weights with batch normalization
            folded in, w' the dequantized int8 ones. None where there is nothing to compare with, or
            the difference is float32's own rounding.
        output_sqnr_db: likewise of the output over all images. It holds the errors of all layers
            before it.
    """

    index: int
    op: str
    weight_shape: tuple[int, ...] | None
    histogram: tuple[int, ...] | None
    zero_share: float | None
    weight_sqnr_db: float | None
    output_sqnr_db: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return asdict(self)


def examine_layers(
    model: bytes, float_model: bytes | None, images: npt.NDArray[np.float32]
) -> tuple[LayerExamination, ...]:
    """Every operator in the file's order.

    Both models run on the images, in TFLM's interpreter and in LiteRT's float32 kernels, and each
    operator's output is compared with its counterpart's. They correspond where both files have the
    same operators with the same output shapes in the same order, but for QUANTIZE and DEQUANTIZE;
    otherwise every ratio is None.

    Args:
        model: an int8 .tflite.
        float_model: the .tflite that the same converter makes of the same Keras model without
            quantization; None where there is none.
        images: (images, height, width, channels), real values.

    Raises:
        ModelError: TFLM refuses the int8 model.
    """
    graph = read_tflite(model)
    twins = None if float_model is None else _twins(graph, read_tflite(float_model))
    if twins is None or float_model is None:
        weight_ratios: dict[int, float | None] = {}
        output_ratios: dict[int, float | None] = {}
    else:
        weight_ratios = {op.index: _weight_ratio(op, twin) for op, twin in twins}
        output_ratios = _output_ratios(graph, model, float_model, twins, images)
    return tuple(
        _examined(op, weight_ratios.get(op.index), output_ratios.get(op.index))
        for op in graph.operators
    )


def _examined(
    op: Operator, weight_ratio: float | None, output_ratio: float | None
) -> LayerExamination:
    weights = _weights(op)
    values = None if weights is None else weights.data
    if weights is None or values is None or values.dtype != np.int8:
        return LayerExamination(op.index, op.kind, None, None, None, weight_ratio, output_ratio)
    counts, _ = np.histogram(np.maximum(values, -127), bins=BINS, range=(-127.5, 127.5))
    return LayerExamination(
        index=op.index,
        op=op.kind,
        weight_shape=weights.shape,
        histogram=tuple(counts.tolist()),
        zero_share=round(float(np.mean(values == 0)), 4),
        weight_sqnr_db=weight_ratio,
        output_sqnr_db=output_ratio,
    )


def _weights(op: Operator) -> Tensor | None:
    if op.kind not in _WEIGHTED or not op.input(1).is_constant:
        return None
    return op.input(1)


def _twins(graph: Graph, other: Graph) -> list[tuple[Operator, Operator]] | None:
    """Operators of both graphs that compute the same; None where they do not correspond."""
    ours = [op for op in graph.operators if op.kind not in _CONVERSIONS]
    theirs = [op for op in other.operators if op.kind not in _CONVERSIONS]
    pairs = list(zip(ours, theirs, strict=False))
    same = all(
        a.kind == b.kind and [t.shape for t in a.outputs] == [t.shape for t in b.outputs]
        for a, b in pairs
    )
    return pairs if same and len(ours) == len(theirs) else None


def _weight_ratio(op: Operator, twin: Operator) -> float | None:
    stored, real = _weights(op), _weights(twin)
    if stored is None or real is None or stored.shape != real.shape or real.data is None:
        return None
    reference = real.data.astype(np.float64)
    error = _dequantized(stored, stored.data) - reference
    return _decibels(float(np.sum(reference**2)), float(np.sum(error**2)))


def _output_ratios(
    graph: Graph,
    model: bytes,
    float_model: bytes,
    twins: Sequence[tuple[Operator, Operator]],
    images: npt.NDArray[np.float32],
) -> dict[int, float | None]:
    (entry,) = graph.inputs
    stored = quantize(images, entry.scale, entry.zero_point, entry.dtype)
    signal = dict.fromkeys((op.index for op, _ in twins), 0.0)
    noise = dict(signal)
    ours = golden_tensors_of(model, [(image[np.newaxis],) for image in stored])
    for found, wanted in zip(ours, _float_tensors(float_model, twins, images), strict=True):
        for op, _ in twins:
            reference = wanted[op.index]
            error = _dequantized(op.outputs[0], found[op.outputs[0].index]) - reference
            signal[op.index] += float(np.sum(reference**2))
            noise[op.index] += float(np.sum(error**2))
    return {index: _decibels(signal[index], noise[index]) for index in signal}


def _float_tensors(
    content: bytes,
    twins: Sequence[tuple[Operator, Operator]],
    images: npt.NDArray[np.float32],
) -> Iterator[dict[int, Floats]]:
    """For every image the float32 model's outputs by the index of the int8 operator."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        # A delegate would keep what lies between its first and last operator to itself.
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    for image in images:
        interpreter.set_tensor(entry["index"], image[np.newaxis])
        interpreter.invoke()
        yield {
            op.index: interpreter.get_tensor(twin.outputs[0].index).astype(np.float64)
            for op, twin in twins
        }


def _dequantized(tensor: Tensor, values: npt.NDArray[Any] | None) -> Floats:
    """Real values, of the same shape."""
    assert values is not None
    quantization = tensor.quantization
    if quantization is None:
        return values.astype(np.float64)
    along = [1] * values.ndim
    if quantization.per_channel:
        along[quantization.axis] = -1
    scales = np.asarray(quantization.scales, np.float64).reshape(along)
    zeros = np.asarray(quantization.zero_points, np.float64).reshape(along)
    real: Floats = (values.astype(np.float64) - zeros) * scales
    return real


def _decibels(signal: float, noise: float) -> float | None:
    if noise <= signal * _FLOAT32_NOISE:
        return None
    return round(10 * math.log10(signal / noise), 2)
