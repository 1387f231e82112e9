"""Depthwise-separable pairs against the ordinary convolutions that they stand for.

A depthwise k x k and a 1x1 convolution to Cout channels take 1 / Cout + 1 / k^2 of the
multiply-accumulates of an ordinary k x k convolution (arXiv:1704.04861, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.aot.goal import Goal
from pipeline.aot.lowering import estimated_instructions
from pipeline.errors import ModelError, UnsupportedOperatorError
from pipeline.graph import DType, Graph, Operator, Quantization, Tensor


@dataclass(frozen=True)
class SeparablePair:
    """Two operators, and an ordinary convolution of equal input, output, kernel and stride.

    Attributes:
        depthwise, pointwise: indices in the file.
        kernel: rows and columns.
        output_channels: Cout.
        macs_ratio: multiply-accumulates of the pair over those of the ordinary convolution.
        pair_instructions: the pair's; the aot compiler's estimate without row fusion.
        standard_instructions: likewise of the ordinary convolution.
        instruction_ratio: their quotient; None, like both, where the compiler has no estimate.
    """

    depthwise: int
    pointwise: int
    kernel: tuple[int, int]
    output_channels: int
    macs_ratio: float
    pair_instructions: int | None
    standard_instructions: int | None
    instruction_ratio: float | None


def separable_pairs(graph: Graph, goal: Goal) -> tuple[SeparablePair, ...]:
    """All depthwise convolutions that one 1x1 convolution of stride 1 reads, and nothing else.

    Args:
        goal: what instructions are estimated for.
    """
    return tuple(_compared(*pair, goal) for pair in _pairs(graph))


def _pairs(graph: Graph) -> Iterator[tuple[Operator, Operator]]:
    for op in graph.operators:
        if op.kind != "DEPTHWISE_CONV_2D" or op.attributes.depth_multiplier != 1:
            continue
        readers = [other for other in graph.operators if op.output in other.inputs]
        if len(readers) == 1 and _is_pointwise(readers[0]):
            yield op, readers[0]


def _is_pointwise(op: Operator) -> bool:
    if op.kind != "CONV_2D":
        return False
    strides = (op.attributes.stride_height, op.attributes.stride_width)
    return op.input(1).shape[1:3] == strides == (1, 1)


def _compared(depthwise: Operator, pointwise: Operator, goal: Goal) -> SeparablePair:
    high, wide = depthwise.input(1).shape[1:3]
    channels = pointwise.input(1).shape[0]
    pair = _estimate(_alone(depthwise, pointwise), goal)
    standard = _estimate(_standard(depthwise, pointwise), goal)
    return SeparablePair(
        depthwise=depthwise.index,
        pointwise=pointwise.index,
        kernel=(high, wide),
        output_channels=channels,
        macs_ratio=1 / channels + 1 / (high * wide),
        pair_instructions=pair,
        standard_instructions=standard,
        instruction_ratio=None if pair is None or not standard else round(pair / standard, 4),
    )


def _estimate(graph: Graph, goal: Goal) -> int | None:
    try:
        estimates = estimated_instructions(graph, goal)
    except (ModelError, UnsupportedOperatorError):
        return None
    return None if estimates is None else sum(estimates.values())


def _alone(*operators: Operator) -> Graph:
    """Operators that follow each other as a graph of their own."""
    tensors = dict.fromkeys(t for op in operators for t in (*op.inputs, *op.outputs) if t)
    inputs, outputs = (operators[0].input(0),), (operators[-1].output,)
    return Graph(tuple(tensors), operators, inputs, outputs)


def _standard(depthwise: Operator, pointwise: Operator) -> Graph:
    """The ordinary convolution, with drawn weights: their values do not count, their scale must
    suit input and output."""
    image, output = depthwise.input(0), pointwise.output
    shape = (output.shape[3], *depthwise.input(1).shape[1:3], image.shape[3])
    values = np.random.default_rng(0).integers(-127, 128, shape, np.int8)
    scale = output.scale / image.scale / 512
    scales = Quantization((scale,) * shape[0], (0,) * shape[0])
    weights = Tensor(-1, "", shape, DType.INT8, scales, values)
    bias_scale = Quantization((image.scale * scale,), (0,))
    bias = Tensor(-2, "", shape[:1], DType.INT32, bias_scale, np.zeros(shape[:1], np.int32))
    attributes = replace(depthwise.attributes, activation=pointwise.attributes.activation)
    return _alone(Operator(0, "CONV_2D", 1, (image, weights, bias), (output,), attributes))
