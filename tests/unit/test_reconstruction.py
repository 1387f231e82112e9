"""Models that give their input back: squared errors in real values, and no accuracy anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import reports
from pipeline import data
from pipeline.accuracy import ReconstructionError, host_score, score, score_json
from pipeline.convert import convert
from pipeline.errors import ModelError
from pipeline.graph import DType, Quantization, Tensor
from pipeline.report.details import learning_curves
from pipeline.report.html import render_html
from pipeline.report.model import Scores
from pipeline.report.text import summary_rows
from pipeline.spec import ModelSpec, QuantizationSpec, TrainingSpec
from pipeline.training.task import Task, task_of
from pipeline.training.train import train


def two_images() -> data.Dataset:
    images = np.array([[[[0]], [[255]]], [[[51]], [[102]]]], np.uint8)  # 2x1 pixels: 0, 1; .2, .4
    labels = np.array([0, 2])
    return data.Dataset(
        "two", images, labels, images, labels, ("a", "b", "c"), data.InputScaling(1 / 255)
    )


def test_errors_are_of_real_values_whatever_the_outputs_scale() -> None:
    output = Tensor(0, "", (1, 2), DType.INT8, Quantization((0.1,), (-10,)))
    outputs = [np.array([[-10, -2]], np.int8), np.array([[-8, -7]], np.int8)]  # 0, .8; .2, .3
    found = score(outputs, output, two_images())
    assert isinstance(found, ReconstructionError)
    assert found.value == pytest.approx((0.2**2 + 0.1**2) / 4)
    assert score_json(found) == {
        "accuracy": None,
        "accuracy_interval": None,
        "reconstruction_error": found.value,
        "samples": 2,
        "confusion": None,
        "mistakes": [],
    }


def test_what_a_model_is_judged_by_follows_from_its_outputs() -> None:
    dataset = two_images()
    assert [task_of(count, dataset) for count in (3, 2, 4)] == [
        Task.CLASSIFICATION,
        Task.RECONSTRUCTION,
        None,
    ]
    output = Tensor(0, "", (1, 4), DType.INT8, Quantization((0.1,), (0,)))
    with pytest.raises(ModelError, match="has 4 outputs, two has 3 classes and 2 values an image"):
        score([np.zeros(4, np.int8)], output, dataset)


def test_the_report_has_an_error_in_the_place_of_an_accuracy() -> None:
    report, details = reports.emulated_run()
    report = replace(
        report,
        accuracy=None,
        confusion=None,
        reconstruction_error=Scores(0.0216, 0.02165, 0.0218, 500),
    )
    values = report.to_json()
    assert values["accuracy"] is None
    assert values["reconstruction_error"]["float"] == 0.0216
    names = [name for name, _ in summary_rows(report)]
    assert "mean squared error, float" in names
    assert not any("accuracy" in name for name in names)
    epoch = dict.fromkeys(("accuracy", "test_accuracy", "validation_loss", "validation_accuracy"))
    epoch |= {"loss": 0.5, "test_loss": 0.4}
    curves = learning_curves([{"epochs": [epoch, epoch]}])
    page = render_html(report, replace(details, curves=curves))
    assert "Loss (mean squared error)" in page
    assert "Mean squared error" in page
    assert "cross-entropy" not in page


@pytest.mark.training
def test_an_autoencoder_learns_and_keeps_its_error_in_int8(tmp_path: Path) -> None:
    dataset = data.load("synthetic_digits")
    model = ModelSpec("autoencoder", {"units": 32, "hidden_layers": 1})
    training = TrainingSpec(epochs=2, learning_rate=0.01)
    trained = train(model, training, dataset, tmp_path / "model.keras")
    history = trained.history
    images = dataset.scaling.apply(dataset.test_images)
    assert history.accuracy is None
    assert history.epochs[-1].test_accuracy is None
    assert history.reconstruction_error == pytest.approx(history.epochs[-1].test_loss, rel=1e-4)
    assert history.reconstruction_error < float(np.mean(np.square(images - images.mean(axis=0))))
    converted = convert(trained.path, dataset, QuantizationSpec())
    assert host_score(converted.content, dataset).value == pytest.approx(
        history.reconstruction_error, rel=0.05
    )


@pytest.mark.training
def test_lenet5_is_saved_and_loaded_with_its_own_layer(tmp_path: Path) -> None:
    dataset = data.load("synthetic_digits")
    trained = train(ModelSpec("lenet5"), TrainingSpec(epochs=1), dataset, tmp_path / "model.keras")
    converted = convert(trained.path, dataset, QuantizationSpec())
    assert host_score(converted.content, dataset).value == pytest.approx(
        trained.history.accuracy, abs=0.02
    )
