"""Reads a .tflite file into a typed Graph, without TensorFlow."""

from __future__ import annotations

import functools
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.errors import ModelError
from pipeline.graph import DType, Graph, Operator, Quantization, Tensor

_IDENTIFIER = b"TFL3"
_LARGEST_TENSOR_ELEMENTS = 1 << 28
_LONGEST_NAME = 200  # characters

_DTYPES = {
    schema.TensorType.BOOL: DType.BOOL,
    schema.TensorType.INT8: DType.INT8,
    schema.TensorType.UINT8: DType.UINT8,
    schema.TensorType.INT16: DType.INT16,
    schema.TensorType.INT32: DType.INT32,
    schema.TensorType.INT64: DType.INT64,
    schema.TensorType.FLOAT32: DType.FLOAT32,
}


def read_tflite_file(path: Path) -> Graph:
    """Reads a file; raises ModelError where it is not a model this pipeline can represent."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    return read_tflite(content, str(path))


def read_tflite(content: bytes, name: str = "model") -> Graph:
    """Parses a .tflite flatbuffer with one subgraph.

    Operators unknown to `pipeline.ops` are kept with `attributes` None: they can be listed, not
    lowered.

    Args:
        content: the file.
        name: what to call the file in messages.

    Raises:
        ModelError: not a flatbuffer, damaged, more than one subgraph, a dtype outside DType, a
            dynamic shape, or constant data that is not as long as its shape says.
    """
    if content[4:8] != _IDENTIFIER:
        raise ModelError(f"{name}: not a .tflite file (identifier TFL3 missing)")
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
        return _graph(model, name)
    except ModelError:
        raise
    except (
        struct.error,
        IndexError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        MemoryError,
        RecursionError,
    ) as error:
        raise ModelError(f"{name}: damaged .tflite file ({error})") from error


def _graph(model: Any, name: str) -> Graph:
    if len(model.subgraphs or ()) != 1:
        raise ModelError(
            f"{name}: has {len(model.subgraphs or ())} subgraphs, one is supported",
            "convert without control flow",
        )
    (subgraph,) = model.subgraphs
    tensors = tuple(
        _tensor(index, tensor, model.buffers, name) for index, tensor in enumerate(subgraph.tensors)
    )

    def at(index: int) -> Tensor:
        if not 0 <= index < len(tensors):
            raise ModelError(f"{name}: damaged .tflite file (tensor {index} does not exist)")
        return tensors[index]

    operators = []
    for index, raw in enumerate(_items(subgraph.operators)):
        kind, version = _kind(model.operatorCodes[raw.opcodeIndex])
        definition = ops.definitions().get(kind)
        operators.append(
            Operator(
                index=index,
                kind=kind,
                version=version,
                inputs=tuple(None if i == -1 else at(i) for i in _items(raw.inputs)),
                outputs=tuple(at(i) for i in _items(raw.outputs)),
                attributes=definition.parse(raw.builtinOptions) if definition else None,
            )
        )
    graph = Graph(
        tensors=tensors,
        operators=tuple(operators),
        inputs=tuple(at(i) for i in _items(subgraph.inputs)),
        outputs=tuple(at(i) for i in _items(subgraph.outputs)),
    )
    _check_order(graph, name)
    return graph


def _items(values: Any) -> list[Any]:
    """The object API gives None, a list or an array for a vector."""
    return [] if values is None else list(values)


def _text(raw: bytes | None) -> str:
    """A name of the file for messages and reports: one line, of a length that people read."""
    text = (raw or b"").decode("utf-8", "replace")[:_LONGEST_NAME]
    return "".join(c if c.isprintable() else "?" for c in text)


def _kind(code: Any) -> tuple[str, int]:
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    if builtin == schema.BuiltinOperator.CUSTOM:
        return f"CUSTOM:{_text(code.customCode)}", int(code.version)
    return _builtin_names().get(builtin, f"BUILTIN:{builtin}"), int(code.version)


@functools.cache
def _builtin_names() -> dict[int, str]:
    return {
        value: key for key, value in vars(schema.BuiltinOperator).items() if not key.startswith("_")
    }


def _tensor(index: int, raw: Any, buffers: Any, name: str) -> Tensor:
    label = f"{name}: tensor {index} ({_text(raw.name)})"
    if raw.type not in _DTYPES:
        raise ModelError(
            f"{label}: element type {raw.type} is not supported",
            "quantize to int8 with float32 or int8 input and output",
        )
    dtype = _DTYPES[raw.type]
    shape = tuple(int(d) for d in _items(raw.shape))
    if raw.shapeSignature is not None and any(d < 0 for d in list(raw.shapeSignature)[1:]):
        raise ModelError(f"{label}: has a dynamic shape", "convert with a fixed input shape")
    if any(d < 1 for d in shape) or math.prod(shape) > _LARGEST_TENSOR_ELEMENTS:
        raise ModelError(f"{label}: shape {shape} cannot be held", "convert with a fixed shape")
    return Tensor(
        index=index,
        name=_text(raw.name),
        shape=shape,
        dtype=dtype,
        quantization=_quantization(raw.quantization, label),
        data=_data(buffers[raw.buffer], dtype, shape, label),
    )


def _data(buffer: Any, dtype: DType, shape: tuple[int, ...], label: str) -> npt.NDArray[Any] | None:
    if buffer.data is None or len(buffer.data) == 0:
        return None
    content = np.asarray(buffer.data, dtype=np.uint8).tobytes()
    expected = math.prod(shape) * dtype.size_bytes
    if len(content) != expected:
        raise ModelError(f"{label}: has {len(content)} bytes of data, its shape needs {expected}")
    values = np.frombuffer(content, dtype=dtype.numpy).reshape(shape)
    values.flags.writeable = False
    return values


def _quantization(raw: Any, label: str) -> Quantization | None:
    if raw is None or raw.scale is None or len(raw.scale) == 0:
        return None
    scales = tuple(float(np.float32(s)) for s in raw.scale)
    zero_points = tuple(int(z) for z in _items(raw.zeroPoint)) or (0,) * len(scales)
    if len(zero_points) != len(scales):
        raise ModelError(f"{label}: {len(scales)} scales but {len(zero_points)} zero points")
    if not all(math.isfinite(s) and s > 0 for s in scales):
        raise ModelError(f"{label}: scales must be finite and above 0")
    return Quantization(scales, zero_points, int(raw.quantizedDimension))


def _check_order(graph: Graph, name: str) -> None:
    """Every activation is written once, before it is read."""
    ready = {t for t in graph.tensors if t.is_constant} | set(graph.inputs)
    for op in graph.operators:
        for tensor in op.inputs:
            if tensor is not None and tensor not in ready:
                raise ModelError(
                    f"{name}: op {op.index} {op.kind} reads tensor {tensor.index}, "
                    "which nothing has written"
                )
        for tensor in op.outputs:
            if tensor in ready:
                raise ModelError(
                    f"{name}: op {op.index} {op.kind} writes tensor {tensor.index} a second time"
                )
            ready.add(tensor)
    for tensor in graph.outputs:
        if tensor not in ready:
            raise ModelError(f"{name}: output tensor {tensor.index} is written by no operator")
