"""TensorFlow Lite's int8 layers in numpy integers: a second oracle beside TFLM's interpreter.

q is an int8 tensor that stands for scale * (q - zero_point). Weights have zero point 0 and a scale
per tensor or per output channel, biases are int32 at input scale x weight scale. Products are
summed exactly, then scaled by a 31-bit multiplier with two roundings ("double rounding"), as
TFLM does it: gemmlowp's SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT. The formulas
here are written from what those functions round to, not from how they do it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.reference.convolution import Padding

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Activation = Literal["NONE", "RELU", "RELU_N1_TO_1", "RELU6"]

_RANGES: dict[Activation, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
}


@dataclass(frozen=True)
class Scaling:
    """Quantization of one layer's input, weights and output.

    Attributes:
        weight_scales: one, or one per output channel.
        activation: fused into the output's range.
    """

    input_scale: float
    input_zero_point: int
    weight_scales: Sequence[float]
    output_scale: float
    output_zero_point: int
    activation: Activation = "NONE"


def dense(x: Int8, weights: Int8, bias: Int32, scaling: Scaling) -> Int8:
    """FULLY_CONNECTED. x: (N, D), weights: (M, D) as in the file, bias: (M,) -> (N, M).

    With one weight scale TFLite multiplies it by the input's in float32 (its
    GetQuantizedConvolutionMultipler), with one per channel in float64.
    """
    inputs = x.astype(np.int64) - scaling.input_zero_point
    sums = inputs @ weights.astype(np.int64).T + bias
    products = [scaling.input_scale * scale for scale in scaling.weight_scales]
    if len(products) == 1:
        products = [float(np.float32(scaling.input_scale) * np.float32(scaling.weight_scales[0]))]
    return _to_output(sums, products, scaling)


def conv2d(
    x: Int8,
    weights: Int8,
    bias: Int32,
    scaling: Scaling,
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
    padding: Padding = "same",
) -> Int8:
    """CONV_2D. x: (N, H, W, C), weights: (O, K, L, C) as in the file, bias: (O,)."""
    windows = _windows(x, weights.shape[1:3], scaling, strides, dilations, padding)
    sums = np.einsum("nijckl,oklc->nijo", windows, weights.astype(np.int64)) + bias
    return _to_output(sums, _products(scaling), scaling)


def depthwise_conv2d(
    x: Int8,
    weights: Int8,
    bias: Int32,
    scaling: Scaling,
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
    padding: Padding = "same",
) -> Int8:
    """DEPTHWISE_CONV_2D. x: (N, H, W, C), weights: (1, K, L, C m) as in the file, bias: (C m,).

    Output channel c m + i is input channel c under its i-th kernel.
    """
    channels = x.shape[3]
    kernels = weights.astype(np.int64).reshape(*weights.shape[1:3], channels, -1)
    windows = _windows(x, weights.shape[1:3], scaling, strides, dilations, padding)
    sums = np.einsum("nijckl,klcm->nijcm", windows, kernels)
    sums = sums.reshape(*sums.shape[:3], -1) + bias
    return _to_output(sums, _products(scaling), scaling)


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """(multiplier, shift) with factor ~ multiplier 2^(shift - 31), 2^30 <= multiplier < 2^31."""
    mantissa, shift = math.frexp(factor)
    multiplier = math.floor(mantissa * (1 << 31) + 0.5)
    return (multiplier, shift) if multiplier < 1 << 31 else (multiplier // 2, shift + 1)


def requantize(sums: Int64, multiplier: int, shift: int) -> Int64:
    """sums * multiplier * 2^(shift - 31), rounded twice.

    First sums 2^max(shift, 0) times multiplier / 2^31 to the nearest integer, halves upwards;
    then that over 2^max(-shift, 0) to the nearest, halves away from zero.
    """
    shifted = sums << max(shift, 0)
    high = (shifted * multiplier + (1 << 30)) >> 31
    divisor = 1 << max(-shift, 0)
    nearest: Int64 = np.sign(high) * ((2 * np.abs(high) + divisor) // (2 * divisor))
    return nearest


def _products(scaling: Scaling) -> list[float]:
    return [scaling.input_scale * scale for scale in scaling.weight_scales]


def _to_output(sums: Int64, products: Sequence[float], scaling: Scaling) -> Int8:
    """int8 from exact sums (..., channels) at scales `products`, one or one per channel."""
    channels = sums.shape[-1]
    factors = [product / scaling.output_scale for product in products]
    scaled = np.empty_like(sums)
    for channel in range(channels):
        multiplier, shift = quantize_multiplier(factors[channel % len(factors)])
        scaled[..., channel] = requantize(sums[..., channel], multiplier, shift)
    low, high = _output_range(scaling)
    return np.clip(scaled + scaling.output_zero_point, low, high).astype(np.int8)


def _output_range(scaling: Scaling) -> tuple[int, int]:
    """The int8 values that the fused activation leaves; bounds are rounded half away from zero."""

    def quantized(bound: float) -> int:
        steps = np.float32(bound) / np.float32(scaling.output_scale)
        rounded = math.copysign(math.floor(abs(float(steps)) + 0.5), steps)
        return scaling.output_zero_point + int(rounded)

    low, high = _RANGES[scaling.activation]
    return (
        -128 if low is None else max(-128, quantized(low)),
        127 if high is None else min(127, quantized(high)),
    )


def _windows(
    x: Int8,
    kernel: tuple[int, ...],
    scaling: Scaling,
    strides: tuple[int, int],
    dilations: tuple[int, int],
    padding: Padding,
) -> Int64:
    """(N, H', W', C, K, L) of x - zero point: places beyond the image are 0, which is real 0."""
    inputs = x.astype(np.int64) - scaling.input_zero_point
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    before_behind = []
    for size, extent, stride in zip(x.shape[1:3], extents, strides, strict=True):
        outputs = -(-size // stride)
        total = max((outputs - 1) * stride + extent - size, 0) if padding == "same" else 0
        before_behind.append((total // 2, total - total // 2))
    padded = np.pad(inputs, ((0, 0), *before_behind, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, extents, axis=(1, 2))
    (down, right), (down_taps, right_taps) = strides, dilations
    return windows[:, ::down, ::right, :, ::down_taps, ::right_taps]
