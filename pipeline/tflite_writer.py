"""Builds small .tflite files with the schema's object API, without TensorFlow or a converter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from pipeline.graph import DType, Quantization, Shape

_TENSOR_TYPES = {
    DType.BOOL: schema.TensorType.BOOL,
    DType.INT8: schema.TensorType.INT8,
    DType.UINT8: schema.TensorType.UINT8,
    DType.INT16: schema.TensorType.INT16,
    DType.INT32: schema.TensorType.INT32,
    DType.INT64: schema.TensorType.INT64,
    DType.FLOAT32: schema.TensorType.FLOAT32,
}


class TfliteWriter:
    """Collects tensors and operators in execution order; `build` gives the file.

    Example:
        writer = TfliteWriter()
        x = writer.tensor((1, 4), DType.INT8, Quantization((0.1,), (0,)))
        y = writer.tensor((1, 4), DType.INT8, Quantization((0.1,), (0,)))
        writer.operator("RELU", [x], [y])
        content = writer.build([x], [y])
    """

    def __init__(self) -> None:
        self._buffers: list[Any] = [schema.BufferT()]  # buffer 0 means "no data" by convention
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[tuple[str, int], int] = {}

    def tensor(
        self,
        shape: Shape,
        dtype: DType,
        quantization: Quantization | None = None,
        data: npt.NDArray[Any] | None = None,
    ) -> int:
        """Adds a tensor (a constant where `data` is given) and returns its index."""
        tensor = schema.TensorT()
        tensor.name = f"t{len(self._tensors)}".encode()
        tensor.shape = list(shape)
        tensor.type = _TENSOR_TYPES[dtype]
        tensor.buffer = 0
        if quantization is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.asarray(quantization.scales, np.float32)
            tensor.quantization.zeroPoint = np.asarray(quantization.zero_points, np.int64)
            tensor.quantization.quantizedDimension = quantization.axis
        if data is not None:
            buffer = schema.BufferT()
            content = np.ascontiguousarray(data, dtype.numpy).tobytes()
            buffer.data = np.frombuffer(content, np.uint8)
            tensor.buffer = len(self._buffers)
            self._buffers.append(buffer)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        version: int = 1,
    ) -> None:
        """Adds an operator.

        Args:
            kind: builtin operator name.
            inputs: tensor indices; -1 for an absent optional input.
            options: object-API options (`schema.Conv2DOptionsT()`), or None.
        """
        op = schema.OperatorT()
        op.opcodeIndex = self._codes.setdefault((kind, version), len(self._codes))
        op.inputs = list(inputs)
        op.outputs = list(outputs)
        if options is not None:
            op.builtinOptionsType = getattr(
                schema.BuiltinOptions, type(options).__name__.removesuffix("T")
            )
            op.builtinOptions = options
        self._operators.append(op)

    def build(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The .tflite file with the given model inputs and outputs."""
        model = schema.ModelT()
        model.version = 3
        model.description = b""
        model.operatorCodes = [self._code(kind, version) for kind, version in self._codes]
        subgraph = schema.SubGraphT()
        subgraph.name = b"main"
        subgraph.tensors = self._tensors
        subgraph.operators = self._operators
        subgraph.inputs = list(inputs)
        subgraph.outputs = list(outputs)
        model.subgraphs = [subgraph]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    @staticmethod
    def _code(kind: str, version: int) -> Any:
        code = schema.OperatorCodeT()
        builtin = getattr(schema.BuiltinOperator, kind)
        code.builtinCode = builtin
        code.deprecatedBuiltinCode = min(builtin, 127)
        code.version = version
        return code
