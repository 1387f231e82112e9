"""Quantization-aware training on drawn digits: all int8, reproducible, no worse than without."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import data
from pipeline.accuracy import host_score
from pipeline.convert import convert
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.graph import DType
from pipeline.spec import ModelSpec, QuantizationSpec, TrainingSpec
from pipeline.tflite_reader import read_tflite
from pipeline.training.quantize_aware import quantize_aware
from pipeline.training.train import train

pytestmark = pytest.mark.training

TRAINING = TrainingSpec(epochs=1, batch_size=50, learning_rate=0.005, seed=1)
QAT = QuantizationSpec(mode="qat", qat_epochs=1, qat_learning_rate=0.005, calibration_samples=20)
# Small enough to train here, with every kind of layer of its architecture.
MODELS = {
    "linear_mnist": {},
    "conv_mnist": {},
    "sepconv_mnist": {},
    "mobilenet_v1": {"alpha": 0.25, "blocks": 4},
    "squeezenet": {"alpha": 0.25, "fire_modules": 1},
}
IN_ANOTHER_PROCESS = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_quantize_aware as t
keras_file, weights = Path(sys.argv[1]), Path(sys.argv[2])
dataset = t.small(t.data.load("synthetic_digits"))
t.quantize_aware(keras_file, t.TRAINING, t.QAT, dataset, weights)
print(hashlib.sha256(weights.read_bytes()).hexdigest())
print(t.convert(keras_file, dataset, t.QAT, weights).sha256)
"""


def small(dataset: Dataset) -> Dataset:
    return dataclasses.replace(
        dataset,
        train_images=dataset.train_images[:1000],
        train_labels=dataset.train_labels[:1000],
        test_images=dataset.test_images[:300],
        test_labels=dataset.test_labels[:300],
    )


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return small(data.load("synthetic_digits"))


@pytest.mark.parametrize("name", MODELS)
def test_no_float_is_left_and_int8_does_what_the_simulation_does(name, dataset, tmp_path, capfd):
    keras_file, weights = tmp_path / "model.keras", tmp_path / "weights.npz"
    # Near the accuracy of guessing, a few images more or less are right by chance.
    training = dataclasses.replace(TRAINING, epochs=5 if name == "squeezenet" else 1)
    train(ModelSpec(name, MODELS[name]), training, dataset, keras_file)
    history = quantize_aware(keras_file, TRAINING, QAT, dataset, weights)
    assert [epoch.epoch for epoch in history.epochs] == [1]
    model = convert(keras_file, dataset, QAT, weights)
    graph = read_tflite(model.content)
    assert {t.dtype for t in graph.tensors} <= {DType.INT8, DType.INT32}
    assert {op.kind for op in graph.operators} <= {
        *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D"),
        *("AVERAGE_POOL_2D", "QUANTIZE", "CONCATENATION", "RESHAPE", "SOFTMAX"),
    }
    accuracy = host_score(model.content, dataset).value
    assert accuracy == pytest.approx(history.accuracy, abs=0.02)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def convnet(tmp_path_factory, dataset) -> Path:
    path = tmp_path_factory.mktemp("convnet") / "model.keras"
    train(ModelSpec("conv_mnist"), TRAINING, dataset, path)
    return path


def test_no_level_of_a_relu_is_spent_on_what_it_never_gives(convnet, dataset, tmp_path):
    weights = tmp_path / "weights.npz"
    quantize_aware(convnet, TRAINING, QAT, dataset, weights)
    aware = read_tflite(convert(convnet, dataset, QAT, weights).content)
    after = read_tflite(convert(convnet, dataset, QAT).content)
    relus = [op for op in aware.operators if op.kind in {"CONV_2D", "FULLY_CONNECTED"}][:-1]
    twins = [op for op in after.operators if op.kind in {"CONV_2D", "FULLY_CONNECTED"}][:-1]
    assert len(relus) == 3
    for relu, twin in zip(relus, twins, strict=True):
        [output], [twin_output] = relu.outputs, twin.outputs
        assert output.quantization.zero_points == (-128,)
        # Trained on by one short epoch: the range is still about that of calibration.
        ratio = output.quantization.scales[0] / twin_output.quantization.scales[0]
        assert 0.4 < ratio < 1.6


def test_another_process_makes_the_same_bytes(convnet, dataset, tmp_path):
    weights, again = tmp_path / "weights.npz", tmp_path / "again.npz"
    quantize_aware(convnet, TRAINING, QAT, dataset, weights)
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, convnet, again, Path(__file__).parent]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [
        hashlib.sha256(weights.read_bytes()).hexdigest(),
        convert(convnet, dataset, QAT, weights).sha256,
    ]


def test_an_interrupted_training_leaves_nothing(convnet, dataset, tmp_path):
    def interrupt(_progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize_aware(convnet, TRAINING, QAT, dataset, tmp_path / "weights.npz", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_model_are_refused(convnet, dataset, tmp_path):
    weights = tmp_path / "weights.npz"
    np.savez(weights, np.zeros(3))
    with pytest.raises(ModelError, match=r"^convert: .*weights\.npz does not suit .*model\.keras"):
        convert(convnet, dataset, QAT, weights)


def test_a_layer_that_cannot_be_simulated_is_named_in_one_line(dataset, tmp_path):
    from tf_keras import Sequential, layers

    keras_file = tmp_path / "model.keras"
    stack = [layers.Input((28, 28, 1)), layers.Rescaling(2.0), layers.Flatten(), layers.Dense(10)]
    Sequential(stack, name="own").save(keras_file)
    with pytest.raises(
        ModelError, match=r"^qat: own cannot be [^\n]*rescaling[^\n]*mode = \"ptq\""
    ):
        quantize_aware(keras_file, TRAINING, QAT, dataset, tmp_path / "weights.npz")
