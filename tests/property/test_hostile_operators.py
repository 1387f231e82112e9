"""Operators of damaged or hostile files are refused with a PipelineError or lowered, never more."""

from __future__ import annotations

import copy
import zlib
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.lowering import lower
from pipeline.errors import PipelineError
from pipeline.tflite_reader import read_tflite

MODELS_PER_OPERATOR = 12
MUTANTS_PER_MODEL = 12
INTEGERS = (-(1 << 31), -129, -1, 0, 1, 2, 3, 5, 127, 128, 1 << 15, (1 << 31) - 1)


def _pick(rng: np.random.Generator, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _mutate_options(rng: np.random.Generator, op: Any) -> None:
    if op.builtinOptions is None or not vars(op.builtinOptions) or rng.random() < 0.1:
        op.builtinOptions, op.builtinOptionsType = None, 0
        return
    name = _pick(rng, sorted(vars(op.builtinOptions)))
    value = getattr(op.builtinOptions, name)
    if isinstance(value, bool):
        setattr(op.builtinOptions, name, not value)
    elif isinstance(value, int):
        small = name in ("padding", "fusedActivationFunction", "weightsFormat", "quantizedBiasType")
        setattr(op.builtinOptions, name, int(_pick(rng, range(8) if small else INTEGERS)))


def _mutate_operands(rng: np.random.Generator, op: Any) -> None:
    side = _pick(rng, ("inputs", "outputs"))
    indices = [int(i) for i in getattr(op, side)]
    change = rng.integers(3)
    if change == 0:
        indices = indices[:-1]
    elif change == 1:
        indices.append(int(_pick(rng, [*indices, -1])) if indices else -1)
    elif indices:
        indices[int(rng.integers(len(indices)))] = -1
    setattr(op, side, indices)


def _mutate_shape(rng: np.random.Generator, tensor: Any) -> None:
    shape = [int(size) for size in tensor.shape]
    change = rng.integers(4)
    if change == 0:
        shape = shape[1:]
    elif change == 1:
        shape.insert(int(rng.integers(len(shape) + 1)), 1)
    elif change == 2:
        rng.shuffle(shape)
    elif shape:
        shape[int(rng.integers(len(shape)))] = int(_pick(rng, (1, 2, 3, 7, 1000)))
    tensor.shape = shape


def _mutate_quantization(rng: np.random.Generator, tensor: Any) -> None:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or rng.random() < 0.1:
        tensor.quantization = None
        return
    change = rng.integers(4)
    if change == 0:
        quantization.scale = np.full_like(quantization.scale, _pick(rng, (1e-40, 1e-6, 1e6, 3e38)))
    elif change == 1:
        quantization.zeroPoint = quantization.zeroPoint + int(_pick(rng, (1, -300, 1 << 40)))
    elif change == 2:
        quantization.quantizedDimension = int(_pick(rng, INTEGERS))
    else:
        count = int(_pick(rng, (2, 3, len(quantization.scale) + 1)))
        quantization.scale = np.resize(quantization.scale, count)
        quantization.zeroPoint = np.resize(quantization.zeroPoint, count)


def _mutate_constant(rng: np.random.Generator, model: Any, tensor: Any) -> None:
    """Changes the data where there is some, else makes the tensor a constant."""
    buffer = model.buffers[tensor.buffer]
    if buffer.data is None:
        itemsize = {schema.TensorType.INT8: 1}.get(tensor.type, 4)
        content = np.zeros(int(np.prod(tensor.shape)) * itemsize, np.uint8)
        model.buffers.append(schema.BufferT())
        tensor.buffer = len(model.buffers) - 1
        model.buffers[tensor.buffer].data = content
    elif rng.random() < 0.3:
        buffer.data = None
    else:
        buffer.data = np.array(buffer.data, np.uint8)
        buffer.data[int(rng.integers(len(buffer.data)))] = rng.integers(256)


def mutant(rng: np.random.Generator, original: Any) -> bytes:
    """The file of a model with one to three changes."""
    model = copy.deepcopy(original)
    (subgraph,) = model.subgraphs
    (op,) = subgraph.operators
    for _ in range(int(rng.integers(1, 4))):
        tensor = _pick(rng, subgraph.tensors)
        change = rng.integers(6)
        if change == 0:
            _mutate_options(rng, op)
        elif change == 1:
            _mutate_operands(rng, op)
        elif change == 2:
            _mutate_shape(rng, tensor)
        elif change == 3:
            _mutate_quantization(rng, tensor)
        elif change == 4:
            tensor.type = int(
                _pick(
                    rng,
                    (
                        schema.TensorType.FLOAT32,
                        schema.TensorType.INT32,
                        schema.TensorType.INT8,
                        schema.TensorType.BOOL,
                    ),
                )
            )
        else:
            _mutate_constant(rng, model, tensor)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("kind", ops.definitions())
def test_mutants_are_refused_or_lowered(kind: str) -> None:
    definition = ops.definitions()[kind]
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    messages = []
    for _ in range(MODELS_PER_OPERATOR):
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(definition.draw(rng).model))
        for _ in range(MUTANTS_PER_MODEL):
            content = mutant(rng, model)
            try:
                graph = read_tflite(content)
                definition.macs(graph.operators[0])
                lower(graph)
            except PipelineError as error:
                messages.append(str(error))
    assert len(messages) > MODELS_PER_OPERATOR * MUTANTS_PER_MODEL // 10
    assert not [message for message in messages if "\n" in message]
