"""Value ranges of activations that leave out outliers.

TensorFlow's converter calibrates by minimum and maximum and has no public way to another method. So
it is stopped between calibration and quantization, where the ranges stand in the file, and its own
quantizer goes on with others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.spec import QuantizationSpec

_BINS = 4096  # of a tensor's values between its minimum and maximum
_SHARES = np.linspace(0.2, 1.0, 161)  # of the widest range that are tried
_LEVELS = 255  # steps of int8 between its ends

Floats = npt.NDArray[np.float64]
Range = tuple[float, float]


def with_clipped_ranges(
    calibrated: bytes, images: npt.NDArray[np.float32], quantization: QuantizationSpec
) -> bytes:
    """The calibrated file with other ranges, but for its inputs, whose range is that of the data.

    Args:
        calibrated: float32 .tflite in which activations have a minimum and a maximum.
        images: (images, height, width, channels), real values that it was calibrated with.
        quantization: `calibration` "percentile" or "error" says how.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(calibrated))
    (graph,) = model.subgraphs
    ranges = {
        index: (float(tensor.quantization.min[0]), float(tensor.quantization.max[0]))
        for index, tensor in enumerate(graph.tensors)
        if tensor.quantization is not None
        and tensor.quantization.min is not None
        and index not in graph.inputs
    }
    counts = _histograms(calibrated, images, ranges)
    for index, widest in ranges.items():
        low, high = (
            percentile_range(counts[index], widest, quantization.calibration_percentile)
            if quantization.calibration == "percentile"
            else least_error_range(counts[index], widest)
        )
        graph.tensors[index].quantization.min = np.array([low], np.float32)
        graph.tensors[index].quantization.max = np.array([high], np.float32)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def percentile_range(counts: npt.NDArray[np.int64], widest: Range, percentile: float) -> Range:
    """The range that leaves out 100 - `percentile` percent of the values, at either end half of
    them, and has 0 in it.

    Args:
        counts: of values in bins of one width from `widest[0]` to `widest[1]`.
    """
    share = (100 - percentile) / 200
    below = np.cumsum(counts) / counts.sum()
    edges = np.linspace(*widest, len(counts) + 1)
    low = edges[int(np.searchsorted(below, share, side="right"))]
    high = edges[int(np.searchsorted(below, 1 - share - 1e-12)) + 1]
    return min(0.0, float(low)), max(0.0, float(high))


def least_error_range(counts: npt.NDArray[np.int64], widest: Range) -> Range:
    """The widest range times the factor at most 1 that makes the squared error of rounding and
    clipping to int8 least (Nagel et al., arXiv:2106.08295, section 3.1).

    Args:
        counts: as for `percentile_range`.
    """
    edges = np.linspace(*widest, len(counts) + 1)
    values = (edges[1:] + edges[:-1]) / 2
    low, high = min(0.0, widest[0]), max(0.0, widest[1])
    if low == high:
        return low, high

    def error(share: float) -> float:
        step = share * (high - low) / _LEVELS
        zero = np.rint(-share * low / step)
        stored = np.clip(np.rint(values / step) + zero, 0, _LEVELS)
        return float(np.sum(counts * np.square((stored - zero) * step - values)))

    best = float(min(reversed(_SHARES.tolist()), key=error))
    return best * low, best * high


def _histograms(
    model: bytes, images: npt.NDArray[np.float32], ranges: Mapping[int, Range]
) -> dict[int, npt.NDArray[np.int64]]:
    counts = {index: np.zeros(_BINS, np.int64) for index in ranges}
    for tensor in runs_keeping_tensors(model, images):
        for index, (low, high) in ranges.items():
            values = np.clip(tensor(index), low, high)
            ends = (low, high) if high > low else (low - 0.5, low + 0.5)
            counts[index] += np.histogram(values, _BINS, ends)[0]
    return counts


def runs_keeping_tensors(
    model: bytes, images: npt.NDArray[np.float32]
) -> Iterator[Callable[[int], npt.NDArray[Any]]]:
    """For every image a function from the index of a tensor of a float32 .tflite to its values."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model,
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
        yield interpreter.get_tensor
