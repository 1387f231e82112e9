"""Models that are damaged by bytes or by structure, for the fuzzing of `fuzz.py`."""

from __future__ import annotations

import copy
import functools
import random
import struct
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

import small_models
from pipeline import ops

INTEGERS = (
    -(1 << 31),
    -65536,
    -129,
    -1,
    0,
    1,
    2,
    3,
    127,
    255,
    256,
    1 << 15,
    1 << 20,
    (1 << 31) - 1,
)


# --- .tflite by bytes -----------------------------------------------------------------------------


@functools.cache
def sound_models() -> tuple[bytes, ...]:
    """Two small networks, and a model of every operator."""
    rng = np.random.default_rng(1)
    drawn = [definition.draw(rng).model for definition in ops.definitions().values()]
    return (small_models.two_headed_convnet(), small_models.dense_relu(), *drawn)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """One to four changes: bits, bytes, 32-bit words, pieces removed, repeated or cut off."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data)) if data else 0
        change = rng.randrange(7)
        if not data:
            break
        if change == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            data[at] = rng.randrange(256)
        elif change in (2, 3):
            at &= ~3  # where flatbuffers keep offsets, lengths and sizes
            data[at : at + 4] = (rng.choice(INTEGERS) & 0xFFFFFFFF).to_bytes(4, "little")
        elif change == 4:
            del data[at : at + rng.randint(1, 64)]
        elif change == 5:
            data[at:at] = data[at : at + rng.randint(1, 64)]
        else:
            del data[at:]
    return bytes(data)


def tflite_bytes(rng: random.Random) -> bytes:
    return damaged(rng.choice(sound_models()), rng)


# --- .tflite by structure -------------------------------------------------------------------------


_BUILDER_ERRORS = (ValueError, flatbuffers.builder.BuilderSizeError)


@functools.cache
def _parsed(content: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content))


def tflite_structure(rng: random.Random) -> bytes:
    """A file that is a sound flatbuffer of an unsound model."""
    model = copy.deepcopy(_parsed(rng.choice(sound_models())))
    builder = flatbuffers.Builder(1024)
    try:
        for _ in range(rng.randint(1, 3)):
            rng.choice(_CHANGES)(rng, model)
        builder.Finish(model.Pack(builder), b"TFL3")
    except (AttributeError, IndexError, TypeError, struct.error, *_BUILDER_ERRORS):
        # Nothing left to change, or the schema's own code cannot write such a value.
        return tflite_structure(rng)
    return bytes(builder.Output())


def _tensor(rng: random.Random, model: Any) -> Any:
    return rng.choice(model.subgraphs[0].tensors)


def _operator(rng: random.Random, model: Any) -> Any:
    return rng.choice(model.subgraphs[0].operators)


def _index_out_of_range(rng: random.Random, model: Any) -> None:
    owner = rng.choice([model.subgraphs[0], _operator(rng, model)])
    side = rng.choice(["inputs", "outputs"])
    indices = [int(i) for i in getattr(owner, side)]
    if indices:
        indices[rng.randrange(len(indices))] = rng.choice(INTEGERS)
    setattr(owner, side, indices)


def _another_buffer(rng: random.Random, model: Any) -> None:
    _tensor(rng, model).buffer = rng.choice([0, 1, len(model.buffers), (1 << 32) - 1])


def _no_buffers(rng: random.Random, model: Any) -> None:
    keep = rng.randrange(len(model.buffers) + 1)
    model.buffers = model.buffers[:keep] or None


def _buffer_elsewhere(rng: random.Random, model: Any) -> None:
    """Data beyond the flatbuffer, as files above 2 GB have it."""
    buffer = rng.choice(model.buffers or [schema.BufferT()])
    buffer.offset, buffer.size = rng.choice([1, 1 << 40]), rng.choice([1, 1 << 60])


def _shape(rng: random.Random, model: Any) -> None:
    tensor = _tensor(rng, model)
    shape = [int(size) for size in (tensor.shape if tensor.shape is not None else [])]
    change = rng.randrange(4)
    if change == 0:
        tensor.shape = None
    elif change == 1:
        tensor.shape = [rng.choice(INTEGERS) for _ in range(rng.choice([0, 1, 4, 8, 64]))]
    elif shape:
        shape[rng.randrange(len(shape))] = rng.choice(INTEGERS)
        tensor.shape = shape


def _tensor_type(rng: random.Random, model: Any) -> None:
    _tensor(rng, model).type = rng.randrange(-1, 24)


def _quantization(rng: random.Random, model: Any) -> None:
    tensor = _tensor(rng, model)
    quantization = tensor.quantization or schema.QuantizationParametersT()
    count = rng.choice([0, 1, 2, 3, 1000])
    values = (0.0, -1.0, float("nan"), float("inf"), 1e-45, 1e-6, 1.0, 3e38)
    quantization.scale = [rng.choice(values) for _ in range(count)]
    quantization.zeroPoint = [
        rng.choice([0, 1, -129, 300, -(1 << 63), (1 << 63) - 1])
        for _ in range(rng.choice([count, count, 0, 1]))
    ]
    quantization.quantizedDimension = rng.choice(INTEGERS)
    tensor.quantization = rng.choice([quantization, None])


def _cycle(rng: random.Random, model: Any) -> None:
    """An operator that reads what it, or one behind it, writes."""
    operators = model.subgraphs[0].operators
    reader, writer = rng.choice(operators), rng.choice(operators)
    inputs = [int(i) for i in reader.inputs]
    if inputs and len(writer.outputs):
        inputs[rng.randrange(len(inputs))] = int(writer.outputs[0])
    reader.inputs = inputs


def _order(rng: random.Random, model: Any) -> None:
    rng.shuffle(model.subgraphs[0].operators)


def _operator_again(rng: random.Random, model: Any) -> None:
    model.subgraphs[0].operators.append(copy.deepcopy(_operator(rng, model)))


def _operator_code(rng: random.Random, model: Any) -> None:
    code = rng.choice(model.operatorCodes)
    change = rng.randrange(3)
    if change == 0:
        code.builtinCode = rng.choice([-1, 0, 3, 9, 32, 127, 210, 9999])
    elif change == 1:
        code.version = rng.choice(INTEGERS)
    else:
        _operator(rng, model).opcodeIndex = rng.choice([1, 77, (1 << 32) - 1])


def _options(rng: random.Random, model: Any) -> None:
    operator = _operator(rng, model)
    options = operator.builtinOptions
    if options is None or not vars(options) or rng.random() < 0.2:
        other = rng.choice(model.subgraphs[0].operators)
        operator.builtinOptions = other.builtinOptions
        operator.builtinOptionsType = other.builtinOptionsType
        return
    name = rng.choice(sorted(vars(options)))
    if isinstance(getattr(options, name), int):
        setattr(options, name, rng.choice([v for v in INTEGERS if -128 <= v <= 127] + [7, 9]))


def _missing_part(rng: random.Random, model: Any) -> None:
    owner, name = rng.choice(
        [
            (model, "subgraphs"),
            (model, "operatorCodes"),
            (model.subgraphs[0], "tensors"),
            (model.subgraphs[0], "operators"),
            (model.subgraphs[0], "inputs"),
            (model.subgraphs[0], "outputs"),
            (_operator(rng, model), "inputs"),
            (_operator(rng, model), "outputs"),
        ]
    )
    setattr(owner, name, rng.choice([None, []]))


def _second_subgraph(rng: random.Random, model: Any) -> None:
    model.subgraphs.append(model.subgraphs[0])


_CHANGES: tuple[Callable[[random.Random, Any], None], ...] = (
    _index_out_of_range, _another_buffer, _no_buffers, _buffer_elsewhere, _shape, _shape,
    _tensor_type, _quantization, _quantization, _cycle, _order, _operator_again, _operator_code,
    _options, _options, _missing_part, _second_subgraph,
)  # fmt: skip
