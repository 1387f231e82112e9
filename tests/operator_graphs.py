"""Random small models of several operators: branches, views, shared constants, several outputs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from pipeline.graph import DType, Quantization, Shape
from pipeline.ops.shared.cases import (
    between,
    chance,
    draw_int8,
    draw_scale,
    draw_zero_point,
    float32,
    pick,
)
from pipeline.ops.shared.rules import FUSED_ACTIVATIONS, Padding, WindowAxis, window_axis
from pipeline.tflite_writer import TfliteWriter

LARGEST_TENSOR = 4096


@dataclass(frozen=True)
class Node:
    """An int8 activation of the model that grows."""

    index: int
    shape: Shape
    quantization: Quantization

    @property
    def scale(self) -> float:
        return self.quantization.scales[0]


class RandomGraph:
    """Grows a model operator by operator; `build` gives the file."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._writer = TfliteWriter()
        self._constants: dict[tuple[Shape, Quantization], int] = {}
        self._integers: dict[tuple[int, ...], int] = {}
        self._inputs: list[int] = []
        self._nodes: list[Node] = []
        self._consumed: set[int] = set()
        self._operators = 0
        for _ in range(pick(rng, (1, 1, 1, 2, 3))):
            self._add_input()

    def grow(self, operators: int) -> None:
        """Adds at least that many operators."""
        end = self._operators + operators
        while self._operators < end:
            pick(self._rng, _OPERATORS)(self, self._choose())

    def build(self) -> bytes:
        """The file: outputs are all that nothing reads, and at times something that is read."""
        rng = self._rng
        ends = [n for n in self._nodes if n.index not in self._consumed]
        ends += [n for n in self._nodes if n.index in self._consumed and chance(rng, 0.15)]
        ends = [n for n in ends if n.index not in self._inputs] or [self._nodes[-1]]
        if len(ends) > 1 and chance(rng, 0.2):
            ends = ends[1:]  # what an operator writes and nothing reads stays in the file
        outputs = []
        for position in rng.permutation(len(ends)):
            node = ends[position]
            if chance(rng, 0.2):
                result = self._writer.tensor(node.shape, DType.FLOAT32)
                self._writer.operator("DEQUANTIZE", [node.index], [result])
                outputs.append(result)
            else:
                outputs.append(node.index)
        return self._writer.build(self._inputs, outputs)

    # --- tensors ---

    def _add_input(self) -> None:
        rng = self._rng
        extents = (pick(rng, (1, 1, 1, 2)), between(rng, 1, 8), between(rng, 1, 8))
        shape = (*extents, pick(rng, (1, 2, 3, 4, 8)))
        quantization = self._quantization()
        if chance(rng, 0.25):
            source = self._writer.tensor(shape, DType.FLOAT32)
            self._inputs.append(source)
            self._emit("QUANTIZE", [source], shape, quantization)
            return
        node = Node(self._writer.tensor(shape, DType.INT8, quantization), shape, quantization)
        self._inputs.append(node.index)
        self._nodes.append(node)

    def _choose(self) -> Node:
        """The newest tensor, or any other."""
        return self._nodes[-1] if chance(self._rng, 0.6) else pick(self._rng, self._nodes)

    def _quantization(self) -> Quantization:
        return Quantization((draw_scale(self._rng, 0.01, 0.2),), (draw_zero_point(self._rng),))

    def _emit(
        self,
        kind: str,
        inputs: list[int],
        shape: Shape,
        quantization: Quantization,
        options: Any = None,
    ) -> None:
        result = self._writer.tensor(shape, DType.INT8, quantization)
        self._writer.operator(kind, inputs, [result], options)
        self._consumed |= set(inputs)
        self._nodes.append(Node(result, shape, quantization))
        self._operators += 1

    def _numbers(self, *values: int) -> int:
        """An int32 constant, one for all operators that need the same."""
        data = np.array(values, np.int32)
        if values not in self._integers:
            self._integers[values] = self._writer.tensor(data.shape, DType.INT32, data=data)
        return self._integers[values]

    def _constant(self, shape: Shape, quantization: Quantization) -> int:
        """An int8 constant, at times one that another operator reads, too."""
        key = (shape, quantization)
        if key not in self._constants or chance(self._rng, 0.3):
            data = draw_int8(self._rng, shape)
            self._constants[key] = self._writer.tensor(shape, DType.INT8, quantization, data)
        return self._constants[key]

    # --- operators ---

    def table(self, node: Node) -> None:
        kind = pick(self._rng, ("RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "QUANTIZE"))
        quantization = self._quantization()
        options = None
        if kind == "LOGISTIC":
            quantization = Quantization((1 / 256,), (-128,))
        elif kind == "TANH":
            quantization = Quantization((1 / 128,), (0,))
        elif kind == "RELU6":
            quantization = node.quantization
        elif kind == "LEAKY_RELU":
            options = schema.LeakyReluOptionsT()
            options.alpha = 0.3
        self._emit(kind, [node.index], node.shape, quantization, options)

    def softmax(self, node: Node) -> None:
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        output = Quantization((1 / 256,), (-128,))
        self._emit("SOFTMAX", [node.index], node.shape, output, options)

    def reshape(self, node: Node) -> None:
        size = math.prod(node.shape)
        shapes: list[Shape] = [(1, size)]
        for a, b in itertools.product((1, 2, 3, 4), (1, 2)):
            if size % (a * b) == 0:
                shapes.append((a, b, 1, size // (a * b)))
        shape = pick(self._rng, shapes)
        self._emit("RESHAPE", [node.index, self._numbers(*shape)], shape, node.quantization)

    def transpose(self, node: Node) -> None:
        order = tuple(int(axis) for axis in self._rng.permutation(len(node.shape)))
        shape = tuple(node.shape[axis] for axis in order)
        operands = [node.index, self._numbers(*order)]
        self._emit("TRANSPOSE", operands, shape, node.quantization, schema.TransposeOptionsT())

    def strided_slice(self, node: Node) -> None:
        begin = tuple(between(self._rng, 0, size // 2) for size in node.shape)
        strides = tuple(pick(self._rng, (1, 1, 2)) for _ in node.shape)
        shape = tuple(len(taken) for taken in map(range, begin, node.shape, strides))
        operands = [node.index, *(self._numbers(*v) for v in (begin, node.shape, strides))]
        options = schema.StridedSliceOptionsT()
        self._emit("STRIDED_SLICE", operands, shape, node.quantization, options)

    def pad(self, node: Node) -> None:
        pairs = [(pick(self._rng, (0, 0, 1, 2)), pick(self._rng, (0, 1))) for _ in node.shape]
        pairs[0] = (0, 0)
        shape = tuple(n + a + b for n, (a, b) in zip(node.shape, pairs, strict=True))
        if math.prod(shape) > LARGEST_TENSOR:
            return
        data = np.array(pairs, np.int32)
        paddings = self._writer.tensor(data.shape, DType.INT32, data=data)
        operands = [node.index, paddings]
        self._emit("PAD", operands, shape, node.quantization, schema.PadOptionsT())

    def binary(self, node: Node) -> None:
        kind = pick(self._rng, ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"))
        alike = kind in ("MAXIMUM", "MINIMUM")
        partners = [
            other.index
            for other in self._nodes
            if other.shape in (node.shape, (1,) * len(node.shape))
            and (not alike or other.quantization == node.quantization)
        ]
        other = pick(self._rng, partners)
        if chance(self._rng, 0.3):
            quantization = node.quantization if alike else self._quantization()
            other = self._constant(pick(self._rng, (node.shape, node.shape[-1:], ())), quantization)
        operands = [node.index, other] if chance(self._rng, 0.7) else [other, node.index]
        if alike:
            options = schema.MaximumMinimumOptionsT()
            self._emit(kind, operands, node.shape, node.quantization, options)
            return
        options = getattr(schema, f"{kind.capitalize()}OptionsT")()
        options.fusedActivationFunction = pick(self._rng, FUSED_ACTIVATIONS).value
        self._emit(kind, operands, node.shape, self._quantization(), options)

    def concatenation(self, node: Node) -> None:
        options = schema.ConcatenationOptionsT()
        options.axis = axis = between(self._rng, 0, len(node.shape) - 1)
        parts = [
            other
            for other in self._nodes
            if other.quantization == node.quantization
            and other.shape[:axis] == node.shape[:axis]
            and other.shape[axis + 1 :] == node.shape[axis + 1 :]
            and len(other.shape) == len(node.shape)
        ]
        chosen = [node, *(pick(self._rng, parts) for _ in range(between(self._rng, 1, 2)))]
        extent = sum(part.shape[axis] for part in chosen)
        shape = (*node.shape[:axis], extent, *node.shape[axis + 1 :])
        if math.prod(shape) > LARGEST_TENSOR:
            return
        operands = [part.index for part in chosen]
        if chance(self._rng, 0.2):
            operands[-1] = self._constant(chosen[-1].shape, node.quantization)
        self._emit("CONCATENATION", operands, shape, node.quantization, options)

    def reduction(self, node: Node) -> None:
        if len(node.shape) < 2:
            return
        axes = pick(self._rng, ((1, 2), (-1,), (1,))) if len(node.shape) == 4 else (-1,)
        options = schema.ReducerOptionsT()
        options.keepDims = len(node.shape) < 3 or chance(self._rng, 0.5)
        reduced = {axis % len(node.shape) for axis in axes}
        shape = tuple(
            1 if i in reduced else n
            for i, n in enumerate(node.shape)
            if options.keepDims or i not in reduced
        )
        kind = pick(self._rng, ("MEAN", "REDUCE_MAX"))
        quantization = self._quantization() if kind == "MEAN" else node.quantization
        self._emit(kind, [node.index, self._numbers(*axes)], shape, quantization, options)

    def resize(self, node: Node) -> None:
        if len(node.shape) != 4:
            return
        kind, options = pick(
            self._rng,
            (
                ("RESIZE_BILINEAR", schema.ResizeBilinearOptionsT()),
                ("RESIZE_NEAREST_NEIGHBOR", schema.ResizeNearestNeighborOptionsT()),
            ),
        )
        options.halfPixelCenters = chance(self._rng, 0.5)
        size = tuple(pick(self._rng, (n, 2 * n, between(self._rng, 1, 9))) for n in node.shape[1:3])
        shape = (node.shape[0], *size, node.shape[3])
        if math.prod(shape) <= LARGEST_TENSOR:
            operands = [node.index, self._numbers(*size)]
            self._emit(kind, operands, shape, node.quantization, options)

    def pool(self, node: Node) -> None:
        if len(node.shape) != 4:
            return
        kind = pick(self._rng, ("MAX_POOL_2D", "AVERAGE_POOL_2D"))
        options = schema.Pool2DOptionsT()
        rows, columns = self._windows(node, options)
        options.filterHeight, options.filterWidth = rows.kernel, columns.kernel
        shape = (node.shape[0], rows.output, columns.output, node.shape[3])
        self._emit(kind, [node.index], shape, node.quantization, options)

    def convolution(self, node: Node) -> None:
        if len(node.shape) != 4:
            return
        depthwise = chance(self._rng, 0.4)
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        rows, columns = self._windows(node, options)
        options.dilationHFactor = options.dilationWFactor = 1
        inputs = node.shape[3]
        channels = inputs if depthwise else between(self._rng, 1, 9)
        weights_shape = (channels, rows.kernel, columns.kernel, inputs)
        if depthwise:
            options.depthMultiplier = 1
            weights_shape = (1, rows.kernel, columns.kernel, channels)
        operands, quantization = self._weighted(node, weights_shape, 3 if depthwise else 0)
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        shape = (node.shape[0], rows.output, columns.output, channels)
        self._emit(kind, [node.index, *operands], shape, quantization, options)

    def transpose_conv(self, node: Node) -> None:
        if len(node.shape) != 4 or max(node.shape[1:3]) > 8:
            return
        options = schema.TransposeConvOptionsT()
        options.strideH = options.strideW = stride = pick(self._rng, (1, 2))
        options.padding = Padding.SAME.value
        channels, kernel = between(self._rng, 1, 4), between(self._rng, 1, 3)
        shape = (node.shape[0], *(n * stride for n in node.shape[1:3]), channels)
        weights_shape = (channels, kernel, kernel, node.shape[3])
        (weights, bias), quantization = self._weighted(node, weights_shape, 0)
        operands = [self._numbers(*shape), weights, node.index, bias]
        self._emit("TRANSPOSE_CONV", operands, shape, quantization, options)

    def fully_connected(self, node: Node) -> None:
        channels, depth = between(self._rng, 1, 12), node.shape[-1]
        operands, quantization = self._weighted(node, (channels, depth), 0, per_channel=False)
        options = schema.FullyConnectedOptionsT()
        rows = math.prod(node.shape) // depth
        self._emit(
            "FULLY_CONNECTED", [node.index, *operands], (rows, channels), quantization, options
        )

    def _windows(self, node: Node, options: Any) -> tuple[WindowAxis, WindowAxis]:
        padding = pick(self._rng, (Padding.SAME, Padding.VALID))
        axes = [
            window_axis(
                size, min(between(self._rng, 1, 3), size), pick(self._rng, (1, 1, 2)), 1, padding
            )
            for size in node.shape[1:3]
        ]
        options.padding = padding.value
        options.strideH, options.strideW = axes[0].stride, axes[1].stride
        options.fusedActivationFunction = pick(self._rng, FUSED_ACTIVATIONS).value
        return axes[0], axes[1]

    def _weighted(
        self, node: Node, shape: Shape, channel_axis: int, per_channel: bool = True
    ) -> tuple[list[int], Quantization]:
        """Weights and bias, scaled so that the sums fill a part of the output's range."""
        rng, channels = self._rng, shape[channel_axis]
        values: npt.NDArray[np.int8] = draw_int8(rng, shape)
        output = self._quantization()
        spread = 74.0 * 74.0 * math.sqrt(values.size / channels)
        count = channels if per_channel and channels > 1 else 1
        factors = rng.uniform(20, 80, count) * output.scales[0] / spread / node.scale
        scales = tuple(float32(factor) for factor in factors)
        weights = self._writer.tensor(
            shape, DType.INT8, Quantization(scales, (0,) * count, channel_axis), values
        )
        centre = values.reshape(-1).sum() / channels * (node.quantization.zero_points[0] + 0.5)
        data = np.round(centre + rng.normal(0, spread / 2, channels)).astype(np.int32)
        bias_scales = tuple(float32(node.scale * scale) for scale in scales)
        bias = self._writer.tensor(
            (channels,), DType.INT32, Quantization(bias_scales, (0,) * count), data
        )
        return [weights, bias], output


_OPERATORS: tuple[Callable[[RandomGraph, Node], None], ...] = (
    RandomGraph.table,
    RandomGraph.softmax,
    RandomGraph.reshape,
    RandomGraph.reshape,
    RandomGraph.transpose,
    RandomGraph.strided_slice,
    RandomGraph.pad,
    RandomGraph.binary,
    RandomGraph.binary,
    RandomGraph.concatenation,
    RandomGraph.reduction,
    RandomGraph.resize,
    RandomGraph.pool,
    RandomGraph.convolution,
    RandomGraph.convolution,
    RandomGraph.transpose_conv,
    RandomGraph.fully_connected,
)


def random_model(rng: np.random.Generator) -> bytes:
    """A model of two to about eight operators."""
    graph = RandomGraph(rng)
    graph.grow(between(rng, 2, 6))
    return graph.build()
