"""Builds int8 networks as the TFLite converter would write them, without TensorFlow.

Weights are random. Scales follow from the spread that batch normalization gives: real
pre-activations have mean 0 and standard deviation 1, so that activations fill their range and
multipliers, shifts and saturation are those of trained networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from pipeline.graph import DType, Quantization, Shape
from pipeline.tflite_writer import TfliteWriter

Activation = Literal["NONE", "RELU", "RELU6"]
PaddingKind = Literal["SAME", "VALID"]

_DEVIATIONS = 4.0  # of a pre-activation that still have a code of their own
_LEVELS = 255
_BIAS_DEVIATION = 0.1
_MEAN_OF_RELU = 1 / math.sqrt(2 * math.pi)  # of a standard normal variable


@dataclass(frozen=True)
class Activations:
    """A tensor between layers.

    Attributes:
        index: in the file.
        shape: batch first, channels last.
        scale: real value of one step.
        zero_point: code of real 0.
        rms: root mean square of the real values, as expected.
    """

    index: int
    shape: Shape
    scale: float
    zero_point: int
    rms: float


class Network:
    """Adds layers one by one; `build` gives the file."""

    def __init__(self, shape: Shape, seed: int) -> None:
        """Begins with an image of real values 0..1; `shape` is (1, height, width, channels)."""
        self._writer = TfliteWriter()
        self._rng = np.random.default_rng(seed)
        self.input = self._activations(shape, 0.0, 1.0, math.sqrt(1 / 3))

    def build(self, *outputs: Activations) -> bytes:
        """The .tflite file."""
        return self._writer.build([self.input.index], [output.index for output in outputs])

    def conv(
        self,
        x: Activations,
        filters: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        activation: Activation = "RELU",
        padding: PaddingKind = "SAME",
    ) -> Activations:
        """Convolution with bias; `kernel` is (height, width), or both."""
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        depth = x.shape[3]
        weights = self._rng.normal(size=(filters, high, wide, depth))
        options = schema.Conv2DOptionsT()
        shape = _window_shape(x.shape, (high, wide), stride, padding, filters)
        return self._window("CONV_2D", x, weights, 0, options, stride, activation, padding, shape)

    def depthwise(
        self,
        x: Activations,
        kernel: int = 3,
        stride: int = 1,
        activation: Activation = "RELU6",
        padding: PaddingKind = "SAME",
    ) -> Activations:
        """Depthwise convolution with multiplier 1 and bias."""
        channels = x.shape[3]
        weights = self._rng.normal(size=(1, kernel, kernel, channels))
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = 1
        shape = _window_shape(x.shape, (kernel, kernel), stride, padding, channels)
        return self._window(
            "DEPTHWISE_CONV_2D", x, weights, 3, options, stride, activation, padding, shape
        )

    def dense(self, x: Activations, units: int, activation: Activation = "NONE") -> Activations:
        """Fully connected, one scale for all weights, as `pipeline.convert` asks for."""
        weights = self._rng.normal(size=(units, math.prod(x.shape)))
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = _activation(activation)
        constants = self._weights(x, weights, None)
        y = self._after((1, units), activation)
        self._writer.operator("FULLY_CONNECTED", [x.index, *constants], [y.index], options)
        return y

    def pool(
        self,
        x: Activations,
        kind: Literal["MAX", "AVERAGE"],
        size: int | tuple[int, int],
        stride: int | None = None,
        padding: PaddingKind = "VALID",
    ) -> Activations:
        """Pooling; the stride is the size unless given."""
        high, wide = (size, size) if isinstance(size, int) else size
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = high, wide
        options.strideH, options.strideW = (high, wide) if stride is None else (stride, stride)
        options.padding = getattr(schema.Padding, padding)
        shape = _window_shape(
            x.shape, (high, wide), (options.strideH, options.strideW), padding, x.shape[3]
        )
        y = self._like(x, shape)
        self._writer.operator(f"{kind}_POOL_2D", [x.index], [y.index], options)
        return y

    def mean(self, x: Activations) -> Activations:
        """Global average: (1, height, width, channels) -> (1, 1, 1, channels).

        Its range follows the mean of rectified values, not the input's range.
        """
        options = schema.ReducerOptionsT()
        options.keepDims = True
        axes = self._integers([1, 2])
        y = self._activations((1, 1, 1, x.shape[3]), 0.0, 4 * _MEAN_OF_RELU, _MEAN_OF_RELU)
        self._writer.operator("MEAN", [x.index, axes], [y.index], options)
        return y

    def flatten(self, x: Activations) -> Activations:
        """To (1, elements)."""
        shape = (1, math.prod(x.shape))
        y = self._like(x, shape)
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        self._writer.operator("RESHAPE", [x.index, self._integers(list(shape))], [y.index], options)
        return y

    def pad(self, x: Activations, rows: tuple[int, int], columns: tuple[int, int]) -> Activations:
        """Zeros before and behind the rows and columns."""
        _, height, width, depth = x.shape
        y = self._like(x, (1, height + sum(rows), width + sum(columns), depth))
        paddings = np.array([(0, 0), rows, columns, (0, 0)])
        constant = self._writer.tensor((4, 2), DType.INT32, None, paddings)
        self._writer.operator("PAD", [x.index, constant], [y.index], schema.PadOptionsT())
        return y

    def add(self, a: Activations, b: Activations, activation: Activation = "NONE") -> Activations:
        """Sum of equal shapes."""
        options = schema.AddOptionsT()
        options.fusedActivationFunction = _activation(activation)
        y = self._after(a.shape, activation, math.hypot(a.rms, b.rms))
        self._writer.operator("ADD", [a.index, b.index], [y.index], options)
        return y

    def multiply(self, x: Activations, factors: Activations) -> Activations:
        """Product with factors that may be broadcast."""
        high = _LEVELS * x.scale + x.scale * (x.zero_point + 128) * -1
        low = x.scale * (-128 - x.zero_point)
        y = self._activations(x.shape, low, high, x.rms * factors.rms)
        self._writer.operator("MUL", [x.index, factors.index], [y.index], schema.MulOptionsT())
        return y

    def concatenate(self, *parts: Activations) -> Activations:
        """Along the channels; all parts have one scale, as rectified layers here have."""
        assert len({(part.scale, part.zero_point) for part in parts}) == 1
        options = schema.ConcatenationOptionsT()
        options.axis = 3
        channels = sum(part.shape[3] for part in parts)
        y = self._like(parts[0], (*parts[0].shape[:3], channels))
        self._writer.operator("CONCATENATION", [p.index for p in parts], [y.index], options)
        return y

    def hard_swish(self, x: Activations) -> Activations:
        """x * relu6(x + 3) / 6."""
        y = self._activations(x.shape, -0.375, _DEVIATIONS, 0.8 * x.rms)
        self._writer.operator("HARD_SWISH", [x.index], [y.index], schema.HardSwishOptionsT())
        return y

    def hard_sigmoid(self, x: Activations) -> Activations:
        """relu6(x + 3) / 6, which the converter leaves as an addition and a multiplication."""
        options = schema.AddOptionsT()
        options.fusedActivationFunction = _activation("RELU6")
        shifted = self._activations(x.shape, 0.0, 6.0, 3.0)
        self._writer.operator("ADD", [x.index, self._scalar(3.0)], [shifted.index], options)
        y = self._activations(x.shape, 0.0, 1.0, 0.5)
        self._writer.operator(
            "MUL", [shifted.index, self._scalar(1 / 6)], [y.index], schema.MulOptionsT()
        )
        return y

    def softmax(self, x: Activations) -> Activations:
        """Class probabilities, in TFLite's fixed scale of 1/256."""
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        index = self._writer.tensor(x.shape, DType.INT8, Quantization((1 / 256,), (-128,)))
        self._writer.operator("SOFTMAX", [x.index], [index], options)
        return Activations(index, x.shape, 1 / 256, -128, 0.1)

    def _window(
        self,
        kind: str,
        x: Activations,
        weights: npt.NDArray[np.float64],
        axis: int,
        options: Any,
        stride: int,
        activation: Activation,
        padding: PaddingKind,
        shape: Shape,
    ) -> Activations:
        options.strideH = options.strideW = stride
        options.padding = getattr(schema.Padding, padding)
        options.fusedActivationFunction = _activation(activation)
        constants = self._weights(x, weights, axis)
        y = self._after(shape, activation)
        self._writer.operator(kind, [x.index, *constants], [y.index], options, version=3)
        return y

    def _weights(
        self, x: Activations, weights: npt.NDArray[np.float64], axis: int | None
    ) -> tuple[int, int]:
        """Indices of weights and bias that give outputs of standard deviation 1."""
        channels = weights.shape[axis or 0]
        terms = weights.size // channels
        real = weights / (math.sqrt(terms) * x.rms)
        others = tuple(i for i in range(weights.ndim) if i != axis)
        peaks = np.abs(real).max(axis=others) if axis is not None else np.abs(real).max()
        scales = np.atleast_1d(np.float32(peaks / 127))
        steps = real / (scales.reshape([-1 if i == axis else 1 for i in range(weights.ndim)]))
        codes = np.clip(np.rint(steps), -127, 127).astype(np.int8)
        quantization = Quantization(
            tuple(map(float, scales)), (0,) * len(scales), 0 if axis is None else axis
        )
        kernel = self._writer.tensor(weights.shape, DType.INT8, quantization, codes)
        bias_scales = np.float32(x.scale) * scales
        bias = np.rint(self._rng.normal(0, _BIAS_DEVIATION, channels) / bias_scales)
        bias_quantization = Quantization(tuple(map(float, bias_scales)), (0,) * len(scales), 0)
        return kernel, self._writer.tensor(
            (channels,), DType.INT32, bias_quantization, bias.astype(np.int32)
        )

    def _after(self, shape: Shape, activation: Activation, rms: float = 1.0) -> Activations:
        """Values of this root mean square before the activation."""
        peak = _DEVIATIONS * rms
        if activation == "NONE":
            # Observed extremes are never symmetric.
            return self._activations(shape, -0.97 * peak, peak, rms)
        high = 6.0 if activation == "RELU6" else peak
        return self._activations(shape, 0.0, high, rms * math.sqrt(0.5))

    def _activations(self, shape: Shape, low: float, high: float, rms: float) -> Activations:
        scale = float(np.float32((high - low) / _LEVELS))
        return self._place(shape, scale, round(-128 - low / scale), rms)

    def _like(self, x: Activations, shape: Shape) -> Activations:
        return self._place(shape, x.scale, x.zero_point, x.rms)

    def _place(self, shape: Shape, scale: float, zero_point: int, rms: float) -> Activations:
        index = self._writer.tensor(shape, DType.INT8, Quantization((scale,), (zero_point,)))
        return Activations(index, shape, scale, zero_point, rms)

    def _integers(self, values: list[int]) -> int:
        return self._writer.tensor((len(values),), DType.INT32, None, np.array(values))

    def _scalar(self, value: float) -> int:
        """A positive constant, which the converter gives the code 127."""
        scale = float(np.float32(value / _LEVELS))
        return self._writer.tensor(
            (), DType.INT8, Quantization((scale,), (-128,)), np.array(127, np.int8)
        )


def _activation(name: Activation) -> int:
    value: int = getattr(schema.ActivationFunctionType, name)
    return value


def _window_shape(
    shape: Shape,
    kernel: tuple[int, int],
    stride: int | tuple[int, int],
    padding: PaddingKind,
    channels: int,
) -> Shape:
    strides = (stride, stride) if isinstance(stride, int) else stride
    spatial = [
        -(-size // step) if padding == "SAME" else (size - window) // step + 1
        for size, window, step in zip(shape[1:3], kernel, strides, strict=True)
    ]
    return (1, *spatial, channels)
