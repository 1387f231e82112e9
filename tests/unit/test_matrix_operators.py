"""Convolutions, pooling, FULLY_CONNECTED and MEAN: what is refused, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.lowering import lower
from pipeline.graph import DType, Graph, Quantization, Shape
from pipeline.ops.shared.cases import Operand, int8_operand, single_op_model
from pipeline.ops.shared.rules import Activation, Padding
from pipeline.tflite_reader import read_tflite
from refusals import assert_refused

ACTIVATION = Quantization((0.5,), (3,))
WEIGHTS = Quantization((0.25,), (0,))


def _options(kind: type[Any], **values: Any) -> Any:
    options = kind()
    for name, value in values.items():
        setattr(options, name, value)
    return options


def _weights(shape: Shape, quantization: Quantization | None = WEIGHTS, value: int = 1) -> Operand:
    return Operand(shape, DType.INT8, quantization, np.full(shape, value, np.int8))


def _bias(channels: int, value: int = 0) -> Operand:
    return Operand((channels,), DType.INT32, data=np.full(channels, value, np.int32))


def _convolution(
    image: Shape = (1, 8, 8, 4),
    weights: Operand | None = None,
    output: Shape = (1, 8, 8, 6),
    bias: Operand | None = None,
    **options: Any,
) -> Graph:
    chosen = {"strideH": 1, "strideW": 1, "padding": Padding.SAME.value} | options
    model = single_op_model(
        "CONV_2D",
        (int8_operand(image, ACTIVATION), weights or _weights((6, 3, 3, 4)), bias),
        (int8_operand(output, ACTIVATION),),
        _options(schema.Conv2DOptionsT, **chosen),
    )
    return read_tflite(model)


def _depthwise(image: Shape, weights: Shape, output: Shape, multiplier: int, stride: int) -> Graph:
    options = _options(
        schema.DepthwiseConv2DOptionsT,
        strideH=stride,
        strideW=stride,
        depthMultiplier=multiplier,
        padding=Padding.SAME.value,
    )
    operands = (int8_operand(image, ACTIVATION), _weights(weights))
    model = single_op_model(
        "DEPTHWISE_CONV_2D", operands, (int8_operand(output, ACTIVATION),), options
    )
    return read_tflite(model)


def _fully_connected(image: Shape, weights: Operand, output: Shape, **options: Any) -> Graph:
    model = single_op_model(
        "FULLY_CONNECTED",
        (int8_operand(image, ACTIVATION), weights, None),
        (int8_operand(output, ACTIVATION),),
        _options(schema.FullyConnectedOptionsT, **options),
    )
    return read_tflite(model)


def _pool(output: Quantization = ACTIVATION, **options: Any) -> Graph:
    chosen = {"filterHeight": 2, "filterWidth": 2, "strideH": 2, "strideW": 2} | options
    model = single_op_model(
        "AVERAGE_POOL_2D",
        (int8_operand((1, 4, 4, 3), ACTIVATION),),
        (int8_operand((1, 2, 2, 3), output),),
        _options(schema.Pool2DOptionsT, **chosen),
    )
    return read_tflite(model)


def _mean(shape: Shape, axes: list[int], output: Shape) -> Graph:
    data = np.array(axes, np.int32)
    model = single_op_model(
        "MEAN",
        (int8_operand(shape, ACTIVATION), Operand(data.shape, DType.INT32, data=data)),
        (int8_operand(output, ACTIVATION),),
        schema.ReducerOptionsT(),
    )
    return read_tflite(model)


REFUSALS: list[tuple[Callable[[], Graph], str]] = [
    (
        lambda: _convolution(strideH=0),
        "kernel, stride and dilation must be at least 1, they are 3, 0, 1",
    ),
    (
        lambda: _convolution(dilationWFactor=1 << 20),
        "a window must span at most 32768 elements, it spans 2097153",
    ),
    (
        lambda: _convolution((1, 2, 8, 4), padding=Padding.VALID.value),
        "with VALID padding the window (3 elements) must fit the input (2)",
    ),
    (
        lambda: _convolution(fusedActivationFunction=Activation.TANH.value),
        "its fused activation must be NONE or RELU or RELU6 or RELU_N1_TO_1, it is TANH",
    ),
    (
        lambda: _convolution((8, 8, 4)),
        "input must have 4 dimensions, its shape is (8, 8, 4)",
    ),
    (
        lambda: _convolution((1, 8, 8, 5)),
        "input and output channels must divide into groups, they are 5 and 6 with 4 input "
        "channels in a group",
    ),
    (
        lambda: _convolution(weights=Operand((6, 3, 3, 4), DType.INT8, WEIGHTS)),
        "weights must be constant",
    ),
    (
        lambda: _convolution(weights=_weights((6, 3, 3, 4), Quantization((0.25,), (1,)))),
        "weights must be quantized symmetrically, with zero points of 0",
    ),
    (
        lambda: _convolution(
            weights=_weights((6, 3, 3, 4), Quantization((0.25,) * 4, (0,) * 4, axis=3))
        ),
        "weights must have one scale, or 6 along axis 0; they have 4 along axis 3",
    ),
    (lambda: _convolution(bias=_bias(5)), "bias must have 6 values, it has 5"),
    (
        # 256 x 36 weights of 1 leave 2^31 - 1 - 9216 for the bias.
        lambda: _convolution(bias=_bias(6, (1 << 31) - 9216)),
        "256 x sum of |weights| + |bias| of a channel must fit 31 bits",
    ),
    (
        lambda: _convolution(weights=_weights((6, 3, 3, 4), Quantization((1e9,), (0,)))),
        "the scales of its inputs / its output's must be below 2^29",
    ),
    (
        lambda: _depthwise((1, 8, 8, 4), (1, 3, 3, 8), (1, 8, 8, 8), multiplier=1, stride=1),
        "4 input channels x depth multiplier 1 must be the 8 channels of the weights",
    ),
    (
        lambda: _fully_connected((1, 9), _weights((3, 4)), (1, 3)),
        "the input's 9 elements must divide into rows of 4",
    ),
    (
        lambda: _fully_connected((1, 8), _weights((3, 4)), (1, 3), keepNumDims=True),
        "with keep_num_dims the input's last dimension must be 4, its shape is (1, 8)",
    ),
    (
        lambda: _fully_connected((1, 4), _weights((3, 4)), (1, 3), weightsFormat=1),
        "weights must have the default format",
    ),
    (lambda: _pool(Quantization((0.5,), (4,))), "input and output must be quantized alike"),
    (
        lambda: _mean((2, 3), [2], (2, 3)),
        "axes of 2 dimensions must be in -2..1, they are [2]",
    ),
    (
        lambda: _mean((2, 3, 2, 3, 2), [0, 2, 4], (3, 3)),
        "axes must form at most 2 runs of adjacent dimensions",
    ),
]


@pytest.mark.parametrize(("graph", "reason"), REFUSALS, ids=[reason for _, reason in REFUSALS])
def test_refusal_names_the_operator_and_what_is_supported(
    graph: Callable[[], Graph], reason: str
) -> None:
    assert_refused(graph(), reason)


def test_largest_accumulator_is_taken() -> None:
    lower(_convolution(bias=_bias(6, (1 << 31) - 1 - 9216)))


@pytest.mark.parametrize(
    ("graph", "macs"),
    [
        # The first two layers of MobileNetV1 0.25 at 96 x 96 pixels.
        (
            lambda: _convolution(
                (1, 96, 96, 3), _weights((8, 3, 3, 3)), (1, 48, 48, 8), strideH=2, strideW=2
            ),
            48 * 48 * 8 * 27,
        ),
        (lambda: _depthwise((1, 48, 48, 8), (1, 3, 3, 8), (1, 48, 48, 8), 1, 1), 48 * 48 * 8 * 9),
        (lambda: _depthwise((1, 9, 9, 2), (1, 3, 3, 6), (1, 5, 5, 6), 3, 2), 25 * 6 * 9),
        # Two groups: every output channel reads half of the input channels.
        (lambda: _convolution((1, 8, 8, 8), _weights((6, 3, 3, 4))), 64 * 6 * 9 * 4),
        (lambda: _fully_connected((3, 4), _weights((5, 4)), (3, 5)), 60),
        (_pool, 0),
        (lambda: _mean((1, 4, 4, 8), [1, 2], (1, 8)), 0),
    ],
)
def test_multiply_accumulates(graph: Callable[[], Graph], macs: int) -> None:
    (op,) = graph().operators

    assert ops.definitions()[op.kind].macs(op) == macs


def test_pointwise_convolution_becomes_a_matrix_product() -> None:
    program = lower(_convolution(weights=_weights((6, 1, 1, 4))))

    assert program.kernels == ("fully_connected_s8",)


def test_zero_point_is_folded_into_the_bias() -> None:
    graph = _fully_connected((1, 4), _weights((2, 4), value=-5), (1, 2))

    (call,) = lower(graph).steps[0].calls

    bias: Any = call.params["bias"]
    assert bias.data.tolist() == [60, 60]  # 0 - zero point 3 x sum -20
