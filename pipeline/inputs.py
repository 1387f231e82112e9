"""Input vectors for validation, from a file or drawn at random."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import DataError, UsageError
from pipeline.graph import DType, Graph, Shape, Tensor

Arrays = tuple[npt.NDArray[Any], ...]

RANDOM = "random:"
TEST = "test:"
_MOST_RANDOM = 100_000


def load_inputs(source: str, graph: Graph, seed: int = 0) -> list[Arrays]:
    """The input vectors that `source` names.

    Args:
        source: `random:N`, or the path of an .npy (one input) or .npz file (x0, x1, ... in the
            model's order). Arrays have the inputs' dtypes and shape (N, ...): N vectors without
            the model's batch axis; with it, (N, 1, ...), is accepted too.
        seed: of the random vectors; they are the same for the same seed and model.

    Returns:
        N tuples of the model's inputs with their own shapes, batch axis included. Random integers
        are uniform over their type; the first vector is all lowest and the second all highest
        values. Random floats span what the model quantizes them to without saturation, and a
        tenth more on both sides.

    Raises:
        DataError: the file cannot be read or does not fit the model's inputs.
        UsageError: the N of `random:N` is no number in range.
    """
    if source.startswith(RANDOM):
        return _random_inputs(count_in(source, RANDOM, _MOST_RANDOM), graph, seed)
    path = Path(source)
    return _vectors(_load(path, graph), graph, path)


def pack(inputs: Arrays) -> bytes:
    """Inputs end to end in the model's order, little endian: the device's staging area."""
    return b"".join(np.ascontiguousarray(value).tobytes() for value in inputs)


def unpack(content: bytes, tensors: Sequence[Tensor]) -> Arrays:
    """The arrays that lie end to end in `content`, as `tensors` describe them.

    Raises:
        DataError: `content` is not as long as all tensors together.
    """
    total = sum(tensor.size_bytes for tensor in tensors)
    if len(content) != total:
        raise DataError(f"device: {len(content)} bytes of tensors, the model has {total}")
    arrays = []
    offset = 0
    for tensor in tensors:
        values = np.frombuffer(content, tensor.dtype.numpy, tensor.size, offset)
        arrays.append(values.reshape(tensor.shape))
        offset += tensor.size_bytes
    return tuple(arrays)


def outputs_npz(outputs: Sequence[Arrays]) -> bytes:
    """An .npz file with y0, y1, ... in the model's output order, the counterpart of the inputs.

    Each is (N, ...): an output of shape (1, 10) over 32 inferences becomes (32, 10).
    """
    stacked = {
        f"y{index}": np.stack([_without_batch(value) for value in values])
        for index, values in enumerate(zip(*outputs, strict=True))
    }
    buffer = io.BytesIO()
    np.savez(buffer, **stacked)  # type: ignore[arg-type]  # numpy's stub mixes up its keywords
    return buffer.getvalue()


def _without_batch(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return value.reshape(_vector_shape(value.shape))


def _vector_shape(shape: Shape) -> Shape:
    """The shape without a batch axis of 1; any other shape as it is."""
    return shape[1:] if shape[:1] == (1,) else shape


def count_in(source: str, prefix: str, most: int) -> int:
    """N of a source `<prefix>N`. Raises UsageError where it is not a number from 1 to `most`."""
    text = source.removeprefix(prefix)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise UsageError(f"inputs: {source!r}: N in {prefix}N must be 1 to {most}")
    return int(text)


def _random_inputs(count: int, graph: Graph, seed: int) -> list[Arrays]:
    rng = np.random.default_rng(seed)
    limits = [_limits(tensor, graph) for tensor in graph.inputs]
    vectors = []
    for number in range(count):
        values = []
        for tensor, (low, high) in zip(graph.inputs, limits, strict=True):
            drawn = _draw(rng, tensor, low, high)
            if number < 2:
                drawn = np.full_like(drawn, (low, high)[number])
            values.append(drawn)
        vectors.append(tuple(values))
    return vectors


def _draw(rng: np.random.Generator, tensor: Tensor, low: float, high: float) -> npt.NDArray[Any]:
    if tensor.dtype is DType.FLOAT32:
        return rng.uniform(low, high, tensor.shape).astype(np.float32)
    return rng.integers(int(low), int(high), tensor.shape, np.int64, endpoint=True).astype(
        tensor.dtype.numpy
    )


def _limits(tensor: Tensor, graph: Graph) -> tuple[float, float]:
    """Lowest and highest value to draw."""
    if tensor.dtype is DType.BOOL:
        return 0, 1
    if tensor.dtype is not DType.FLOAT32:
        limits = np.iinfo(tensor.dtype.numpy)
        return int(limits.min), int(limits.max)
    for op in graph.operators:
        if op.kind == "QUANTIZE" and op.inputs[0] is tensor:
            quantized = np.iinfo(op.output.dtype.numpy)
            low = (int(quantized.min) - op.output.zero_point) * op.output.scale
            high = (int(quantized.max) - op.output.zero_point) * op.output.scale
            margin = (high - low) / 10
            return low - margin, high + margin
    return -1.0, 1.0


def _load(path: Path, graph: Graph) -> tuple[npt.NDArray[Any], ...]:
    """The file's arrays in the order of the model's inputs."""
    try:
        with path.open("rb") as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return _single(content, graph, path)
            return _by_name(content, graph, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: neither random:N nor a readable .npy or .npz file of numbers"
        ) from error


def _single(array: npt.NDArray[Any], graph: Graph, path: Path) -> tuple[npt.NDArray[Any], ...]:
    if len(graph.inputs) != 1:
        raise DataError(
            f"{path}: one array, but the model has {len(graph.inputs)} inputs",
            f"save an .npz with {_names(graph)}",
        )
    return (array,)


def _by_name(
    content: Mapping[str, npt.NDArray[Any]], graph: Graph, path: Path
) -> tuple[npt.NDArray[Any], ...]:
    expected = [f"x{index}" for index in range(len(graph.inputs))]
    if sorted(content) != sorted(expected):
        found = ", ".join(sorted(content)) or "no array"
        raise DataError(f"{path}: holds {found}; the model needs {_names(graph)}")
    return tuple(content[name] for name in expected)


def _names(graph: Graph) -> str:
    return ", ".join(f"x{index}" for index in range(len(graph.inputs)))


def _vectors(arrays: Sequence[npt.NDArray[Any]], graph: Graph, path: Path) -> list[Arrays]:
    batches = [
        _batch(array, tensor, f"{path}: x{index}")
        for index, (array, tensor) in enumerate(zip(arrays, graph.inputs, strict=True))
    ]
    counts = [len(batch) for batch in batches]
    if min(counts) == 0 or len(set(counts)) != 1:
        raise DataError(
            f"{path}: holds {', '.join(map(str, counts))} vectors for {_names(graph)}",
            "give each input the same number, at least one",
        )
    return [tuple(values) for values in zip(*batches, strict=True)]


def _batch(array: npt.NDArray[Any], tensor: Tensor, where: str) -> npt.NDArray[Any]:
    """(N, *tensor.shape), or DataError."""
    if array.dtype != tensor.dtype.numpy:
        raise DataError(f"{where} has dtype {array.dtype}, the model takes {tensor.dtype.value}")
    vector = _vector_shape(tensor.shape)
    if array.ndim == 0 or array.shape[1:] not in (vector, tensor.shape):
        wanted = ", ".join(("N", *map(str, vector)))
        raise DataError(f"{where} has shape {array.shape}, the model takes ({wanted})")
    if tensor.dtype is DType.FLOAT32 and not np.isfinite(array).all():
        raise DataError(f"{where} holds values that are not finite")
    return array.reshape((len(array), *tensor.shape))
