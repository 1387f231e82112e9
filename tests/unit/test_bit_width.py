"""Rounding to any number of bits: known values, and 8 bits against the deployed int8 model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from compressed import few_digits, trained_conv
from pipeline.analysis.bit_width import BITS, LAYER_BITS, bit_widths
from pipeline.analysis.rounded_network import INPUT, RoundedNetwork, rounded
from pipeline.errors import ModelError
from pipeline.report.compression import bits_chart, compression_drawings
from pipeline.spec import QuantizationSpec


def test_weights_are_rounded_to_multiples_of_their_channel_s_scale():
    weights = np.array([[-1.0, 0.4, 0.6], [-30.0, 9.0, 16.0]], np.float32)
    np.testing.assert_allclose(rounded(weights, 2, axis=0), [[-1, 0, 1], [-30, 0, 30]])
    # Three bits: -3 to 3. The first row's scale is a third.
    np.testing.assert_allclose(
        rounded(weights, 3, axis=0), [[-1, 1 / 3, 2 / 3], [-30, 10, 20]], rtol=1e-6
    )
    np.testing.assert_allclose(rounded(weights, 2, axis=None), [[0, 0, 0], [-30, 0, 30]])
    np.testing.assert_allclose(rounded(weights, 16, axis=0), weights, rtol=1e-4)


def test_every_technique_s_layers_are_told_and_drawn():
    epochs = [{"accuracy": 0.8 + n / 10, "test_accuracy": 0.7, "loss": 1.0} for n in range(2)]
    row = {"layer": "hidden", "full_rank": 3, "rank": 1, "singular_values": [2.0, 1.0, 0.0]}
    step = {
        "technique": "low_rank",
        "untuned": 0.25,
        "skipped": {"last": "it is called in two places"},
        "history": {"epochs": epochs},
        "layers": [row, {"layer": "other"}],
    }
    [drawn] = compression_drawings([step])
    assert drawn.skipped == step["skipped"]
    training, test = drawn.curves[0].lines
    assert (training.last, test.last) == ("0.9000", "0.7000")
    assert [point.text for point in test.points][:1] == ["epoch 0, test: 0.2500"]
    [scree] = drawn.screes
    assert scree.title == "hidden: rank 1 of 3"
    values, energy = scree.lines
    assert [point.text[-6:] for point in values.points] == ["1.0000", "0.5000", "0.0000"]
    assert [point.text[-6:] for point in energy.points] == ["0.8000", "1.0000", "1.0000"]
    assert values.points[0].x < scree.boundary < values.points[1].x


@pytest.mark.training
def test_eight_bits_are_the_deployed_model_and_two_are_not(tmp_path: Path):
    from pipeline.accuracy import evaluation_inputs
    from pipeline.convert import calibration_images, convert, convert_float
    from pipeline.golden import golden_outputs
    from pipeline.tflite_reader import read_tflite

    dataset, quantization = few_digits(), QuantizationSpec(calibration_samples=50)
    keras_file = trained_conv(dataset, tmp_path)
    deployed = convert(keras_file, dataset, quantization).content
    inputs = evaluation_inputs(read_tflite(deployed), dataset)
    outputs = golden_outputs(deployed, [(image[np.newaxis],) for image in inputs])
    classes = np.array([int(np.argmax(output)) for (output,) in outputs])
    network = RoundedNetwork(
        convert_float(keras_file, dataset.image_shape).content,
        calibration_images(dataset, 50, quantization.seed),
        quantization,
    )
    assert INPUT in network.rounded
    found = bit_widths(network, classes, dataset)
    assert found.agreement >= 0.99
    assert abs(found.both[8] - found.deployed_accuracy) <= 0.01
    assert found.weights[16] == found.float_accuracy == found.activations[16]
    assert found.both[2] < found.both[8] - 0.1
    assert list(found.both) == list(BITS)
    assert [layer.op for layer in found.layers if layer.weights is None] == ["SOFTMAX"]
    assert all(list(layer.activations) == list(LAYER_BITS) for layer in found.layers)
    assert len(bits_chart(found.to_json()).lines) == 3
    more = dataclasses.replace(dataset, class_names=(*dataset.class_names, "eleventh"))
    with pytest.raises(ModelError, match="it takes a classifier"):
        bit_widths(network, classes, more)
