"""Small .tflite files that several suites share."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.graph import DType, Quantization
from pipeline.tflite_writer import TfliteWriter


def per_tensor(scale: float, zero_point: int = 0) -> Quantization:
    return Quantization((scale,), (zero_point,))


def dense_relu() -> bytes:
    """y = relu(W x + b): x (1, 2) at scale 0.5, W at 1, b and y at 0.5 with zero point 1."""
    writer = TfliteWriter()
    x = writer.tensor((1, 2), DType.INT8, per_tensor(0.5))
    weights = np.array([[2, 1], [-1, 3]], np.int8)
    w = writer.tensor((2, 2), DType.INT8, per_tensor(1.0), weights)
    b = writer.tensor((2,), DType.INT32, per_tensor(0.5), np.array([3, 0], np.int32))
    h = writer.tensor((1, 2), DType.INT8, per_tensor(0.5, 1))
    y = writer.tensor((1, 2), DType.INT8, per_tensor(0.5, 1))
    writer.operator("FULLY_CONNECTED", [x, w, b], [h], schema.FullyConnectedOptionsT())
    writer.operator("RELU", [h], [y])
    return writer.build([x], [y])


def dense(
    scales: tuple[float, ...] = (0.5,),
    version: int = 1,
    source: DType = DType.INT8,
    result: DType = DType.INT8,
    input_scale: float = 0.5,
) -> bytes:
    """FULLY_CONNECTED from (1, 4) to (1, 2) with int8 weights and one scale, or one an output."""
    writer = TfliteWriter()
    x = writer.tensor((1, 4), source, None if source is DType.FLOAT32 else per_tensor(input_scale))
    y = writer.tensor((1, 2), result, None if result is DType.FLOAT32 else per_tensor(0.5))
    quantization = Quantization(scales, (0,) * len(scales))
    w = writer.tensor((2, 4), DType.INT8, quantization, np.arange(8).reshape(2, 4))
    options = schema.FullyConnectedOptionsT()
    writer.operator("FULLY_CONNECTED", [x, w, -1], [y], options, version)
    return writer.build([x], [y])


def two_headed_convnet(dense_seed: int = 2) -> bytes:
    """Two images in, feature map and class scores out; both sides are longer than one frame.

    ADD of (1, 20, 20, 3) and (1, 20, 20, 3) -> CONV_2D 3x3x4 (first output) -> MAX_POOL_2D 2x2 ->
    RESHAPE -> FULLY_CONNECTED to 10 classes -> SOFTMAX (second output).

    Args:
        dense_seed: of the weights of FULLY_CONNECTED, op 4; everything else is always the same.
    """
    rng = np.random.default_rng(1)
    writer = TfliteWriter()

    def constant(rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> int:
        values = rng.integers(-127, 128, shape)
        return writer.tensor(shape, DType.INT8, per_tensor(scale), values)

    def activation(shape: tuple[int, ...], scale: float, zero_point: int) -> int:
        return writer.tensor(shape, DType.INT8, per_tensor(scale, zero_point))

    x0 = activation((1, 20, 20, 3), 0.02, -5)
    x1 = activation((1, 20, 20, 3), 0.01, 7)
    total = activation((1, 20, 20, 3), 0.03, 0)
    writer.operator("ADD", [x0, x1], [total], schema.AddOptionsT())

    convolution = schema.Conv2DOptionsT()
    convolution.padding = schema.Padding.SAME
    convolution.strideH = convolution.strideW = 1
    features = activation((1, 20, 20, 4), 0.1, -3)
    filters = constant(rng, (4, 3, 3, 3), 0.01)
    bias = writer.tensor((4,), DType.INT32, per_tensor(3e-4), rng.integers(-999, 999, 4))
    writer.operator("CONV_2D", [total, filters, bias], [features], convolution)

    window = schema.Pool2DOptionsT()
    window.padding = schema.Padding.VALID
    window.strideH = window.strideW = window.filterHeight = window.filterWidth = 2
    pooled = activation((1, 10, 10, 4), 0.1, -3)
    writer.operator("MAX_POOL_2D", [features], [pooled], window)

    flat = activation((1, 400), 0.1, -3)
    shape = writer.tensor((2,), DType.INT32, None, np.array([1, 400]))
    writer.operator("RESHAPE", [pooled, shape], [flat], schema.ReshapeOptionsT())

    weights = constant(np.random.default_rng(dense_seed), (10, 400), 0.001)
    logits = activation((1, 10), 0.2, 4)
    writer.operator(
        "FULLY_CONNECTED", [flat, weights, -1], [logits], schema.FullyConnectedOptionsT()
    )

    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    scores = activation((1, 10), 1 / 256, -128)
    writer.operator("SOFTMAX", [logits], [scores], softmax)
    return writer.build([x0, x1], [features, scores])
