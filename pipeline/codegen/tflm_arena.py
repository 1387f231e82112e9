"""How large an arena TensorFlow Lite Micro will need on a 32-bit board: an estimate from above."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.aot.memory import Lifetime
from pipeline.errors import ModelError
from pipeline.graph import Graph, Operator, Tensor

_ALIGNMENT_BYTES = 16
# What the interpreter keeps beside activations and channels, as it reported on a Cortex-M4 (TFLM of
# August 2026 with CMSIS-NN, nine models of 9 to 32 operators), is 1.1 to 1.9 kB less than these;
# Chirale_TensorFLowLite 2.0.0 keeps 130 bytes more with 10 operators, 400 more with 31.
_FIXED_BYTES = 1024
_BYTES_PER_TENSOR = 16
_BYTES_PER_OPERATOR = 144
_BYTES_PER_CHANNEL = 8  # multiplier and shift of a per-channel quantized layer


def estimated_arena_bytes(graph: Graph) -> int:
    """Activations as TFLM's planner places them, scratch, and what the interpreter keeps."""
    kept = _FIXED_BYTES
    kept += _BYTES_PER_TENSOR * len(graph.tensors) + _BYTES_PER_OPERATOR * len(graph.operators)
    kept += _BYTES_PER_CHANNEL * sum(_channels(op) for op in graph.operators)
    return _aligned(_planned_bytes(graph) + kept)


def least_arena_bytes(graph: Graph) -> int:
    """The most that activations take at any one time: no planner needs less."""
    activations, _ = _lifetimes(graph)
    return max(
        sum(life.size_bytes for life in activations if life.first <= index <= life.last)
        for index in range(len(graph.operators) + 1)
    )


def _planned_bytes(graph: Graph) -> int:
    """What TFLM's planner needs, whichever of several buffers of equal size it places first."""
    activations, scratch = _lifetimes(graph)
    lifetimes = activations + scratch
    return max(
        _greedy_bytes(sorted(lifetimes, key=lambda life: (-life.size_bytes, sign * life.first)))
        for sign in (1, -1)
    )


def _greedy_bytes(lifetimes: Sequence[Lifetime]) -> int:
    """In the order given, each at the lowest offset that is free for its whole life."""
    placed: list[tuple[int, Lifetime]] = []
    for life in lifetimes:
        offset = 0
        for at, other in sorted(placed, key=lambda item: item[0]):
            if other.overlaps(life) and at < offset + life.size_bytes:
                offset = max(offset, at + other.size_bytes)
        placed.append((offset, life))
    return max((offset + life.size_bytes for offset, life in placed), default=0)


def _lifetimes(graph: Graph) -> tuple[list[Lifetime], list[Lifetime]]:
    """Of all activations, and of every operator's scratch."""
    first: dict[Tensor, int] = dict.fromkeys(graph.inputs, 0)
    last: dict[Tensor, int] = {}
    for index, op in enumerate(graph.operators):
        for output in op.outputs:
            first.setdefault(output, index)
        for tensor in (*op.inputs, *op.outputs):
            if tensor is not None and not tensor.is_constant:
                last[tensor] = index
    last |= dict.fromkeys(graph.outputs, len(graph.operators))
    activations = [
        Lifetime(_aligned(tensor.size_bytes), begin, last.get(tensor, begin))
        for tensor, begin in first.items()
    ]
    scratch = [
        Lifetime(_aligned(_scratch_bytes(op)), index, index)
        for index, op in enumerate(graph.operators)
    ]
    return activations, scratch


def _scratch_bytes(op: Operator) -> int:
    """At most what CMSIS-NN asks for.

    Raises:
        ModelError: the operator lacks an operand, or an operand a dimension.
    """
    try:
        return _asked_scratch_bytes(op)
    except (ValueError, IndexError) as error:
        raise ModelError(
            f"generate: op {op.index} {op.kind} lacks an operand or one of its dimensions"
        ) from error


def _asked_scratch_bytes(op: Operator) -> int:
    """Two columns of the input's patches as int16, ..."""
    match op.kind:
        case "CONV_2D":
            return 4 * math.prod(op.input(1).shape[1:])
        case "DEPTHWISE_CONV_2D":
            return 4 * math.prod(op.input(1).shape)
        case "AVERAGE_POOL_2D":
            return 4 * op.output.shape[-1]
        case "FULLY_CONNECTED":
            return 4 * op.input(1).shape[0]
        case "SOFTMAX" | "MEAN" | "SUM":
            return 4 * op.input(0).size
    return 0


def _channels(op: Operator) -> int:
    weights = op.optional_input(1)
    if weights is None or weights.quantization is None or not weights.is_constant:
        return 0
    return len(weights.quantization.scales)


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
