"""A float32 .tflite whose weights and activations can be rounded to any number of bits.

LiteRT's float32 kernels compute it, with weights that were rounded before and, behind every layer,
an operator FAKE_QUANT that rounds its output. Nothing of the int8 kernels is in it, so that its
8 bits are a check of theirs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.calibration import runs_keeping_tensors
from pipeline.errors import ModelError
from pipeline.graph import Operator
from pipeline.spec import QuantizationSpec
from pipeline.tflite_reader import read_tflite

Floats = npt.NDArray[np.float32]
Range = tuple[float, float]

INPUT = -1
"""Stands for the network's input among the indices of operators."""

_CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "TRANSPOSE_CONV": 0, "FULLY_CONNECTED": 0}
# They hand values on as they are.
_HANDED_ON = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "MAX_POOL_2D", "SLICE", "PAD")
_FIXED_RANGES: Mapping[str, Range] = {"SOFTMAX": (0.0, 255 / 256), "LOGISTIC": (0.0, 255 / 256)}


class RoundedNetwork:
    """Attributes:
    classes: values of the output.
    operators: of the file, in its order.
    weighted: indices of those whose weights can be rounded.
    rounded: indices of those whose output can be, and `INPUT`.
    """

    def __init__(self, model: bytes, calibration: Floats, quantization: QuantizationSpec) -> None:
        """The ranges of activations are from their smallest to their largest value.

        Args:
            model: float32 .tflite with one input and one output.
            calibration: (images, height, width, channels), real values.
            quantization: `per_channel` and `per_channel_dense` say which weights share a scale.

        Raises:
            ModelError: it has several inputs or outputs.
        """
        graph = read_tflite(model)
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ModelError("bits: the model must have one input and one output")
        self._model, self._quantization = model, quantization
        self.classes, self.operators = graph.outputs[0].size, graph.operators
        self.weighted = tuple(op.index for op in self.operators if _weights(op) is not None)
        handing = {op.index for op in self.operators if op.kind in _HANDED_ON}
        self.rounded = (
            INPUT,
            *(op.index for op in self.operators if op.index not in handing),
        )
        tensors = {INPUT: [graph.inputs[0].index]}
        tensors |= {op.index: [t.index for t in op.outputs] for op in self.operators}
        self._written = {index: tensors[index] for index in self.rounded}
        self._ranges = self._calibrated(calibration)

    def _calibrated(self, images: Floats) -> dict[int, Range]:
        """Index of a tensor -> its range, with 0 in it."""
        ranges = {tensor: (0.0, 0.0) for written in self._written.values() for tensor in written}
        for values_of in runs_keeping_tensors(self._model, images):
            for tensor, (low, high) in ranges.items():
                values = values_of(tensor)
                ranges[tensor] = min(low, float(values.min())), max(high, float(values.max()))
        for op in self.operators:
            if op.kind in _FIXED_RANGES:
                ranges[op.output.index] = _FIXED_RANGES[op.kind]
        return ranges

    def classify(
        self, images: Floats, weights: Mapping[int, int], activations: Mapping[int, int]
    ) -> npt.NDArray[np.int64]:
        """The class of every image, (images,).

        Args:
            images: (images, height, width, channels), real values.
            weights: index of an operator of `weighted` -> bits, 2..16; the others stay in float32.
            activations: likewise of `rounded`.
        """
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=self._file(weights, activations),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            num_threads=1,
        )
        interpreter.allocate_tensors()
        (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
        classes = np.zeros(len(images), np.int64)
        for number, image in enumerate(images):
            interpreter.set_tensor(entry["index"], image[np.newaxis])
            interpreter.invoke()
            classes[number] = int(np.argmax(interpreter.get_tensor(result["index"])))
        return classes

    def _file(self, weights: Mapping[int, int], activations: Mapping[int, int]) -> bytes:
        """The .tflite with rounded weights and operators that round activations."""
        from ai_edge_litert.tools import flatbuffer_utils

        model = flatbuffer_utils.read_model_from_bytearray(bytearray(self._model))
        for index, bits in weights.items():
            self._round_weights(model, self.operators[index], bits)
        _insert_rounding(
            model,
            {
                tensor: (bits, self._ranges[tensor])
                for index, bits in activations.items()
                for tensor in self._written[index]
                if self._ranges[tensor] != (0.0, 0.0)
            },
        )
        return bytes(flatbuffer_utils.convert_object_to_bytearray(model))

    def _round_weights(self, model: Any, operator: Operator, bits: int) -> None:
        tensor = _weights(operator)
        assert tensor is not None
        (graph,) = model.subgraphs
        buffer = model.buffers[graph.tensors[tensor].buffer]
        values = np.frombuffer(bytes(buffer.data), np.float32)
        shape = tuple(graph.tensors[tensor].shape)
        dense = operator.kind == "FULLY_CONNECTED"
        per_channel = (
            self._quantization.per_channel_dense if dense else self._quantization.per_channel
        )
        axis = _CHANNEL_AXIS[operator.kind] if per_channel else None
        changed = rounded(values.reshape(shape), bits, axis)
        buffer.data = np.frombuffer(changed.tobytes(), np.uint8)


def _weights(operator: Operator) -> int | None:
    """The tensor of an operator's constant weights; None where it has none."""
    if operator.kind not in _CHANNEL_AXIS or not operator.input(1).is_constant:
        return None
    return operator.input(1).index


def rounded(weights: Floats, bits: int, axis: int | None) -> Floats:
    """Weights to `bits` bits, symmetric: multiples of a scale by -(2^(bits-1) - 1) and above.

    Args:
        axis: of the channels that have a scale each; None for one scale.
    """
    steps = 2 ** (bits - 1) - 1
    others = tuple(n for n in range(weights.ndim) if n != axis)
    largest = np.abs(weights).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / steps, 1.0)
    result: Floats = (np.rint(weights / scale) * scale).astype(np.float32)
    return result


def _insert_rounding(model: Any, chosen: Mapping[int, tuple[int, Range]]) -> None:
    """Puts a FAKE_QUANT behind whatever writes a tensor.

    Args:
        chosen: tensor -> bits and range.
    """
    from ai_edge_litert import schema_py_generated as schema

    (graph,) = model.subgraphs
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FAKE_QUANT
    code.version = 1
    model.operatorCodes.append(code)

    def rounding(source: int, target: int) -> Any:
        bits, (low, high) = chosen[source]
        operator, options = schema.OperatorT(), schema.FakeQuantOptionsT()
        options.numBits, options.min, options.max = bits, low, high
        options.narrowRange = False
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.builtinOptionsType = schema.BuiltinOptions.FakeQuantOptions
        operator.builtinOptions = options
        operator.inputs, operator.outputs = [source], [target]
        return operator

    copies = {}
    for tensor in chosen:
        twin = copy.copy(graph.tensors[tensor])
        twin.buffer = 0
        graph.tensors.append(twin)
        copies[tensor] = len(graph.tensors) - 1
    operators = [rounding(t, copies[t]) for t in chosen if t in graph.inputs]
    for operator in graph.operators:
        operator.inputs = [copies.get(tensor, tensor) for tensor in operator.inputs]
        operators.append(operator)
        operators += [rounding(t, copies[t]) for t in operator.outputs if t in chosen]
    graph.operators = operators
    graph.outputs = [copies.get(tensor, tensor) for tensor in graph.outputs]
