"""Networks in layers that tfmot knows: the same function, and deployed as simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compressed import TRAINING, few_digits, images, outputs, trained_conv, zoo_network
from pipeline.errors import ModelError, SpecError
from pipeline.spec import QuantizationSpec, parse_spec

pytestmark = pytest.mark.training

QAT = QuantizationSpec(mode="qat", qat_epochs=1, qat_learning_rate=0.001, calibration_samples=50)


def kinds(network: Any) -> list[str]:
    return [type(layer).__name__ for layer in network.layers]


@pytest.mark.parametrize("name", ["mobilenet_v3", "autoencoder", "sepconv_mnist"])
def test_the_function_stays_the_same(name: str):
    from pipeline.training.quantizable import quantizable

    network = zoo_network(name)
    prepared = quantizable(network)
    given = images(network)
    np.testing.assert_allclose(
        outputs(prepared, given), outputs(network, given), rtol=1e-3, atol=1e-5
    )
    assert "SeparableConv2D" not in kinds(prepared)
    assert "TFOpLambda" not in kinds(prepared)
    if name == "mobilenet_v3":
        found = kinds(network).count("Multiply")
        assert kinds(prepared).count("HardSwish") + kinds(prepared).count("Multiply") == found
        assert kinds(prepared).count("HardSigmoid") == kinds(prepared).count("Multiply")
    if name == "autoencoder":
        assert "BatchNormalization" not in kinds(prepared)


def test_a_gate_that_others_read_too_stays_one():
    """x * hard_sigmoid(x), whose hard sigmoid is an output as well, is no hard-swish."""
    from pipeline.training.quantizable import quantizable
    from pipeline.training.tensorflow_setup import tensorflow

    tensorflow()
    from tf_keras import Input, Model, layers

    x = Input((4, 4, 2))
    gate = layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)
    network = Model(x, layers.Concatenate()([layers.Multiply()([x, gate]), gate]))
    prepared = quantizable(network)
    assert {"HardSigmoid", "Multiply"} <= set(kinds(prepared))
    np.testing.assert_allclose(
        outputs(prepared, images(network)), outputs(network, images(network)), rtol=1e-5
    )
    with pytest.raises(ModelError, match=r"^qat: tf\.math\.multiply\S* is arithmetic"):
        quantizable(Model(x, x * 2.0))


def own_network() -> Any:
    """Hard-swish, squeeze-and-excitation, separable convolution, batch normalization behind a
    dense layer."""
    from tf_keras import Input, Model, layers

    def hard_sigmoid(x: Any) -> Any:
        return layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)

    x = image = Input((28, 28, 1))
    x = layers.Conv2D(8, 5, strides=2, padding="same")(x)
    x = layers.Multiply()([x, hard_sigmoid(x)])
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Conv2D(8, 1)(layers.Conv2D(4, 1, activation="relu")(y))
    x = layers.Multiply()([x, hard_sigmoid(y)])
    x = layers.SeparableConv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(24)(layers.Flatten()(x))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.8)(x))
    return Model(image, layers.Dense(10, activation="softmax")(x), name="own")


def trained_own(dataset: Any, folder: Path) -> Path:
    from pipeline.training.fit import fit
    from pipeline.training.train import save_network, seeded_keras

    seeded_keras(1)
    network, path = own_network(), folder / "own.keras"
    fit(network, TRAINING, dataset)
    save_network(network, path)
    return path


def low_rank_conv(dataset: Any, folder: Path) -> Path:
    from pipeline.compress.low_rank import LowRank
    from pipeline.training.compression import compress

    path = folder / "low_rank.keras"
    compress(LowRank(energy=0.8, epochs=1), TRAINING, dataset, trained_conv(dataset, folder), path)
    return path


@pytest.mark.parametrize("made", [trained_own, low_rank_conv])
def test_no_float_is_left_and_the_device_s_model_says_what_the_simulation_says(made, tmp_path):
    from pipeline.accuracy import evaluation_inputs
    from pipeline.convert import convert
    from pipeline.golden import golden_outputs
    from pipeline.graph import DType
    from pipeline.tflite_reader import read_tflite
    from pipeline.training.quantize_aware import quantize_aware, with_simulated_int8

    dataset, weights = few_digits(), tmp_path / "weights.npz"
    keras_file = made(dataset, tmp_path)
    history = quantize_aware(keras_file, TRAINING, QAT, dataset, weights)
    model = convert(keras_file, dataset, QAT, weights).content
    graph = read_tflite(model)
    assert {tensor.dtype for tensor in graph.tensors} <= {DType.INT8, DType.INT32}
    found = [op.kind for op in graph.operators]
    if made is trained_own:
        assert found.count("HARD_SWISH") == 1
        assert found.count("FULLY_CONNECTED") == 2
        behind = found[found.index("FULLY_CONNECTED") :]
        assert behind == ["FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]
    else:
        assert found.count("FULLY_CONNECTED") + found.count("CONV_2D") > 4
    inputs = evaluation_inputs(graph, dataset)
    deployed = [int(np.argmax(y)) for (y,) in golden_outputs(model, [(x[None],) for x in inputs])]
    simulated = with_simulated_int8(keras_file, weights)(
        dataset.scaling.apply(dataset.test_images), training=False
    ).numpy()
    assert np.mean(np.argmax(simulated, axis=1) == deployed) >= 0.97
    accuracy = np.mean(np.array(deployed) == dataset.test_labels)
    assert accuracy == pytest.approx(history.accuracy, abs=0.02)
    assert accuracy > 0.3


@pytest.mark.parametrize(
    ("setting", "mode"),
    [("per_channel_dense = true", "qat"), ("per_channel = false", "qat")],
)
def test_what_training_would_ignore_is_refused(setting: str, mode: str):
    from pipeline.target import known_names

    text = f'model.name = "linear_mnist"\ndata.name = "mnist"\n[quantization]\nmode = "{mode}"\n'
    with pytest.raises(SpecError, match=f'x.toml:5: .*{setting} needs mode = "ptq"'):
        parse_spec(text + setting, Path("x.toml"), known_names())
