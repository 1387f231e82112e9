"""Training and conversion on drawn digits: reproducible, whole or not at all, all int8."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import data
from pipeline.accuracy import host_score
from pipeline.convert import convert
from pipeline.data import Dataset
from pipeline.errors import DataError, ModelError
from pipeline.graph import DType
from pipeline.spec import ModelSpec, QuantizationSpec, TrainingSpec
from pipeline.tflite_reader import read_tflite
from pipeline.training.train import TrainedModel, TrainingHistory, TrainingProgress, train

pytestmark = pytest.mark.training

MODEL = ModelSpec(name="sepconv_mnist")
TRAINING = TrainingSpec(epochs=3, batch_size=50, learning_rate=0.005, seed=1)
IN_ANOTHER_PROCESS = """
import hashlib, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_training as t
trained, _ = t.trained_model(Path(sys.argv[1]))
model = t.convert(trained.path, t.data.load("synthetic_digits"), t.QuantizationSpec())
print(hashlib.sha256(trained.path.read_bytes()).hexdigest(), model.sha256)
"""


def trained_model(folder: Path) -> tuple[TrainedModel, list[TrainingProgress]]:
    progress: list[TrainingProgress] = []
    dataset = data.load("synthetic_digits")
    return train(MODEL, TRAINING, dataset, folder / "model.keras", progress.append), progress


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return data.load("synthetic_digits")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[TrainedModel, list[TrainingProgress]]:
    return trained_model(tmp_path_factory.mktemp("run"))


def test_the_model_learns_and_says_how_far_it_is(run):
    trained, progress = run
    assert trained.history.accuracy > 0.9
    assert [epoch.epoch for epoch in trained.history.epochs] == [1, 2, 3]
    assert trained.history.epochs[-1].test_accuracy == pytest.approx(
        trained.history.accuracy, abs=1e-6
    )
    assert trained.history.parameters == 6_767
    assert [(p.epoch, p.batch) for p in progress] == [
        (epoch, batch) for epoch in (1, 2, 3) for batch in range(1, 81)
    ]
    assert {(p.epochs, p.batches) for p in progress} == {(3, 80)}
    history = json.loads(json.dumps(trained.history.to_json()))
    assert TrainingHistory.from_json(history) == trained.history


def test_the_converted_model_is_int8_throughout_and_as_accurate(run, dataset, capfd):
    trained, _ = run
    model = convert(trained.path, dataset, QuantizationSpec())
    graph = read_tflite(model.content)
    assert graph.inputs[0].shape == (1, 28, 28, 1)
    assert {t.dtype for t in graph.tensors} <= {DType.INT8, DType.INT32}
    assert {t.name for t in graph.tensors} == {""}
    assert [op.kind for op in graph.operators if op.kind.endswith(("2D", "D"))] == [
        *("DEPTHWISE_CONV_2D", "CONV_2D", "MAX_POOL_2D") * 2,
        *("FULLY_CONNECTED",) * 2,
    ]
    assert host_score(model.content, dataset).value == pytest.approx(
        trained.history.accuracy, abs=0.02
    )
    assert capfd.readouterr() == ("", "")


def test_dense_layers_are_quantized_per_tensor_unless_asked_otherwise(run, dataset):
    def per_channel(quantization: QuantizationSpec) -> set[bool]:
        graph = read_tflite(convert(run[0].path, dataset, quantization).content)
        dense = [op for op in graph.operators if op.kind == "FULLY_CONNECTED"]
        return {op.input(1).quantization.per_channel for op in dense}

    assert per_channel(QuantizationSpec()) == {False}
    assert per_channel(QuantizationSpec(per_channel_dense=True)) == {True}


def test_another_process_makes_the_same_bytes(run, dataset, tmp_path):
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, tmp_path, Path(__file__).parent]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    trained, _ = run
    keras_sha256 = hashlib.sha256(trained.path.read_bytes()).hexdigest()
    assert result.stdout.split() == [
        keras_sha256,
        convert(trained.path, dataset, QuantizationSpec()).sha256,
    ]


def test_an_interrupted_training_leaves_nothing_and_the_next_is_whole(run, dataset, tmp_path):
    def interrupt(progress: TrainingProgress) -> None:
        if (progress.epoch, progress.batch) == (2, 5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(MODEL, TRAINING, dataset, tmp_path / "model.keras", interrupt)
    assert list(tmp_path.iterdir()) == []
    again, _ = trained_model(tmp_path)
    assert again.path.read_bytes() == run[0].path.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_a_training_that_diverges_is_refused(dataset, tmp_path):
    wild = TrainingSpec(epochs=2, optimizer="sgd", learning_rate=1000.0)
    with pytest.raises(ModelError, match=r"no longer a number in epoch 1.*learning_rate"):
        train(MODEL, wild, dataset, tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_keras_model_is_refused_in_one_line(dataset, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"^convert: .*is not a Keras model: [^\n]*$"):
        convert(path, dataset, QuantizationSpec())


def test_more_calibration_samples_than_there_are_images_are_refused(run, dataset):
    with pytest.raises(DataError, match=r"4001 calibration samples asked for.*4000"):
        convert(run[0].path, dataset, QuantizationSpec(calibration_samples=4001))


def test_images_too_small_for_the_model_are_refused_in_one_line(tmp_path):
    images, labels = np.zeros((4, 3, 3, 1), np.uint8), np.arange(4)
    tiny = Dataset("tiny", images, labels, images, labels, tuple("abcd"), data.InputScaling(1.0))
    with pytest.raises(ModelError, match=r"^train: sepconv_mnist cannot take images[^\n]*tiny"):
        train(MODEL, TRAINING, tiny, tmp_path / "model.keras")
