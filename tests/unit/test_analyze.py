"""Costs against values derived by hand."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.analysis.analyze import analyze
from pipeline.convert import require_quantized
from pipeline.errors import ModelError
from pipeline.graph import DType, Quantization
from pipeline.tflite_reader import read_tflite
from pipeline.tflite_writer import TfliteWriter

UNIT = Quantization((1.0,), (0,))


def constant(writer: TfliteWriter, shape: tuple[int, ...], dtype: DType) -> int:
    return writer.tensor(shape, dtype, UNIT, np.ones(shape, dtype.numpy))


def activation(writer: TfliteWriter, shape: tuple[int, ...]) -> int:
    return writer.tensor(shape, DType.INT8, UNIT)


def separable_layer() -> bytes:
    """28x28x3 -> depthwise 3x3 VALID -> pointwise to 8, stride 2 -> reshape -> dense 10."""
    writer = TfliteWriter()
    image, deep = activation(writer, (1, 28, 28, 3)), activation(writer, (1, 26, 26, 3))
    wide, flat = activation(writer, (1, 13, 13, 8)), activation(writer, (1, 1352))
    classes = activation(writer, (1, 10))
    depthwise = schema.DepthwiseConv2DOptionsT()
    depthwise.padding, depthwise.depthMultiplier = schema.Padding.VALID, 1
    depthwise.strideH = depthwise.strideW = 1
    depthwise.dilationHFactor = depthwise.dilationWFactor = 1
    pointwise = schema.Conv2DOptionsT()
    pointwise.padding, pointwise.strideH, pointwise.strideW = schema.Padding.VALID, 2, 2
    pointwise.dilationHFactor = pointwise.dilationWFactor = 1
    weights = [constant(writer, (1, 3, 3, 3), DType.INT8), constant(writer, (3,), DType.INT32)]
    writer.operator("DEPTHWISE_CONV_2D", [image, *weights], [deep], depthwise)
    weights = [constant(writer, (8, 1, 1, 3), DType.INT8), constant(writer, (8,), DType.INT32)]
    writer.operator("CONV_2D", [deep, *weights], [wide], pointwise)
    shape = writer.tensor((2,), DType.INT32, data=np.array([1, 1352]))
    writer.operator("RESHAPE", [wide, shape], [flat], schema.ReshapeOptionsT())
    weights = [constant(writer, (10, 1352), DType.INT8), constant(writer, (10,), DType.INT32)]
    writer.operator("FULLY_CONNECTED", [flat, *weights], [classes], schema.FullyConnectedOptionsT())
    return writer.build([image], [classes])


def test_costs_are_those_counted_by_hand():
    table = analyze(read_tflite(separable_layer()))
    rows = [
        (c.op, c.output_shape, c.macs, c.parameters, c.weight_bytes, c.activation_bytes)
        for c in table.layers
    ]
    assert rows == [
        ("DEPTHWISE_CONV_2D", (1, 26, 26, 3), 26 * 26 * 3 * 9, 27 + 3, 27 + 12, 2028),
        ("CONV_2D", (1, 13, 13, 8), 13 * 13 * 8 * 3, 24 + 8, 24 + 32, 1352),
        ("RESHAPE", (1, 1352), 0, 0, 0, 1352),
        ("FULLY_CONNECTED", (1, 10), 13520, 13530, 13520 + 40, 10),
    ]
    assert [layer.index for layer in table.layers] == [0, 1, 2, 3]
    assert table.macs == 18252 + 4056 + 13520
    assert table.parameters == 30 + 32 + 13530
    assert table.weight_bytes == 39 + 56 + 13560
    assert table.activation_bytes == 2028 + 1352 + 1352 + 10


def test_an_unknown_operator_makes_its_macs_and_the_total_unknown():
    writer = TfliteWriter()
    x, y, z = (activation(writer, (1, 4)) for _ in range(3))
    writer.operator("RELU", [x], [y])
    writer.operator("FLOOR_MOD", [y, y], [z])
    table = analyze(read_tflite(writer.build([x], [z])))
    assert [layer.macs for layer in table.layers] == [0, None]
    assert table.macs is None


def test_weights_that_two_operators_share_count_once():
    writer = TfliteWriter()
    x, y, z = (activation(writer, (1, 4)) for _ in range(3))
    weights = constant(writer, (4, 4), DType.INT8)
    for source, target in ((x, y), (y, z)):
        writer.operator(
            "FULLY_CONNECTED", [source, weights, -1], [target], schema.FullyConnectedOptionsT()
        )
    table = analyze(read_tflite(writer.build([x], [z])))
    assert [layer.parameters for layer in table.layers] == [16, 16]
    assert (table.parameters, table.macs) == (16, 32)


def test_a_float_tensor_left_by_the_converter_is_refused_by_name():
    writer = TfliteWriter()
    x, z = (activation(writer, (1, 4)) for _ in range(2))
    island = writer.tensor((1, 4), DType.FLOAT32)
    writer.operator("DEQUANTIZE", [x], [island])
    writer.operator("QUANTIZE", [island], [z])
    with pytest.raises(ModelError, match=r"op 0 DEQUANTIZE has float32 tensor 2 \(t2\)"):
        require_quantized(read_tflite(writer.build([x], [z])))


def test_an_input_that_is_not_int8_is_refused():
    writer = TfliteWriter()
    x, y = writer.tensor((1, 4), DType.UINT8, UNIT), activation(writer, (1, 4))
    writer.operator("QUANTIZE", [x], [y])
    with pytest.raises(ModelError, match=r"input 0 \(t0\) is uint8, not int8"):
        require_quantized(read_tflite(writer.build([x], [y])))
