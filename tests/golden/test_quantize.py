"""Input quantization against TFLM's own QUANTIZE kernel."""

import numpy as np
import pytest

from pipeline.data import InputScaling
from pipeline.errors import ModelError
from pipeline.golden import golden_outputs
from pipeline.graph import DType, Quantization, Tensor
from pipeline.quantize import model_inputs, quantize
from pipeline.tflite_writer import TfliteWriter


@pytest.mark.parametrize(
    ("scale", "zero_point"), [(1 / 255, -128), (0.25, 3), (0.007843138, -1), (1.7e-3, 127)]
)
def test_rounding_and_clamping_are_tflms(scale, zero_point):
    generator = np.random.default_rng(7)
    step = np.float32(scale)
    values = np.concatenate(
        [
            generator.uniform(-140, 140, 2000).astype(np.float32) * step,
            (np.arange(-150, 150, dtype=np.float32) + np.float32(0.5)) * step,  # ties
            np.nextafter(np.float32(0.5), np.float32([0, 1])) * step,
            np.float32([0, -0.0, 1e6, -1e6]) * step,
        ]
    )
    writer = TfliteWriter()
    x = writer.tensor((1, len(values)), DType.FLOAT32)
    quantization = Quantization((scale,), (zero_point,))
    y = writer.tensor((1, len(values)), DType.INT8, quantization)
    writer.operator("QUANTIZE", [x], [y])
    ((golden,),) = golden_outputs(writer.build([x], [y]), [(values[np.newaxis],)])
    ours = quantize(values, scale, zero_point)
    assert ours.dtype == np.int8
    np.testing.assert_array_equal(ours, golden[0])
    assert len(np.unique(ours)) > 100


def test_every_pixel_value_reaches_the_model_as_its_own_int8():
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    tensor = Tensor(0, "x", (1, 16, 16, 1), DType.INT8, Quantization((1 / 255,), (-128,)))
    inputs = model_inputs(pixels, InputScaling(1 / 255), tensor)
    assert inputs.ravel().tolist() == list(range(-128, 128))


def test_images_of_another_shape_are_refused():
    tensor = Tensor(0, "x", (1, 28, 28, 1), DType.INT8, Quantization((1.0,), (0,)))
    with pytest.raises(ModelError, match=r"\(1, 28, 28, 1\).*\(8, 8, 1\)"):
        model_inputs(np.zeros((5, 8, 8, 1), np.uint8), InputScaling(1.0), tensor)
