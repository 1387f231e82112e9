"""Layers of an int8 model against the same model in float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import small_models
from pipeline import data, stages
from pipeline.analysis.quantization_error import examine_layers
from pipeline.convert import convert, convert_float
from pipeline.spec import QuantizationSpec
from pipeline.stages.run import Run
from pipeline.store import RunFolder
from pipeline.target import Overrides, target_of_spec
from pipeline.terminal import Terminal
from pipeline.tflite_reader import read_tflite

SPEC = """
[model]
name = "mobilenet_v3"
parameters = {alpha = 0.25, blocks = 4, head_units = 16}
[data]
name = "synthetic_digits"
[training]
epochs = 1
"""


def test_a_tflite_alone_has_histograms_and_no_ratios() -> None:
    model = small_models.two_headed_convnet()
    layers = examine_layers(model, None, np.zeros((0,), np.float32))
    assert [layer.op for layer in layers] == [op.kind for op in read_tflite(model).operators]
    assert {layer.output_sqnr_db for layer in layers} == {None}
    dense = layers[4]
    weights = np.random.default_rng(2).integers(-127, 128, (10, 400))
    assert dense.weight_shape == (10, 400)
    assert dense.histogram == tuple(
        int(np.sum((weights >= low) & (weights < low + 5))) for low in range(-127, 128, 5)
    )
    assert dense.zero_share == pytest.approx(np.mean(weights == 0), abs=1e-4)
    assert layers[0].histogram is None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained and converted."""
    folder = tmp_path_factory.mktemp("examined")
    (folder / "x.toml").write_text(SPEC)
    target = target_of_spec(folder / "x.toml", Overrides())
    run = Run(RunFolder(folder / "run"), target, Terminal(quiet=True))
    run.bring(stages.TRAIN)
    run.bring(stages.CONVERT)
    return run


def keras_outputs(keras_file: Path, images: np.ndarray) -> Any:
    from pipeline.training.architecture import load_keras_model

    return load_keras_model(keras_file, "test")(images, training=False).numpy()


@pytest.mark.training
def test_ratios_are_those_against_keras(run: Run) -> None:
    dataset = data.load("synthetic_digits")
    images = dataset.scaling.apply(dataset.test_images[:8])
    keras_file = run.folder.file("model.keras")
    float_model = convert_float(keras_file, dataset.image_shape).content
    content = run.read("model_int8.tflite")
    layers = examine_layers(content, float_model, images)
    assert None not in {layer.output_sqnr_db for layer in layers}
    # The last output against Keras itself, which knows nothing of the float32 .tflite.
    from pipeline.accuracy import evaluation_inputs
    from pipeline.golden import golden_outputs

    graph = read_tflite(content)
    inputs = evaluation_inputs(graph, dataset, 8)
    outputs = golden_outputs(content, [(image[np.newaxis],) for image in inputs])
    real = np.concatenate([(y.astype(float) + 128) / 256 for (y,) in outputs])
    wanted = keras_outputs(keras_file, images).astype(float)
    ratio = 10 * np.log10(np.sum(wanted**2) / np.sum((real - wanted) ** 2))
    assert layers[-1].output_sqnr_db == pytest.approx(ratio, abs=0.02)
    # Rounding to a step s has the power s^2 / 12: of w uniform over 254 steps 48 dB, of any
    # distribution in it no more than 127^2 * 12 = 53 dB, but for channels of a weight or two.
    large = [x for x in layers if x.weight_shape and np.prod(x.weight_shape) > 500]
    assert all(35 < layer.weight_sqnr_db < 53 for layer in large)
    assert len(large) > 3


@pytest.mark.training
def test_models_that_do_not_correspond_are_not_compared(run: Run) -> None:
    dataset = data.load("synthetic_digits")
    images = dataset.scaling.apply(dataset.test_images[:1])
    other = small_models.dense_relu()
    layers = examine_layers(run.read("model_int8.tflite"), other, images)
    assert {layer.output_sqnr_db for layer in layers} == {None}
    assert {layer.weight_sqnr_db for layer in layers} == {None}


@pytest.mark.training
def test_the_stage_is_kept_until_other_images_are_mistaken(run: Run) -> None:
    rows = [{"image": image, "actual": 0, "taken": 1, "confidence": None} for image in (7, 2)]
    run.folder.finish_stage("evaluate", "key", (), result={"mistakes": rows})
    result = run.bring(stages.EXAMINE)
    assert result["pictures"] == 2
    written = json.loads(run.read("examination.json"))
    assert set(written["pictures"]) == {"2", "7"}
    assert written["compared_images"] == 32
    assert run.standing(stages.EXAMINE) is not None
    before = run.folder.stage("examine").key
    run.bring(stages.EXAMINE)
    assert run.folder.stage("examine").key == before
    run.folder.finish_stage("evaluate", "key", (), result={"mistakes": rows[:1]})
    run.bring(stages.EXAMINE)
    assert set(json.loads(run.read("examination.json"))["pictures"]) == {"7"}


@pytest.mark.training
def test_an_int8_model_is_as_good_as_its_calibration(run: Run) -> None:
    """One calibrated on a single image clips others: its ratios are lower."""
    dataset = data.load("synthetic_digits")
    images = dataset.scaling.apply(dataset.test_images[:8])
    keras_file = run.folder.file("model.keras")
    float_model = convert_float(keras_file, dataset.image_shape).content
    ratios = [
        [
            layer.output_sqnr_db
            for layer in examine_layers(
                convert(keras_file, dataset, QuantizationSpec(calibration_samples=n)).content,
                float_model,
                images,
            )
        ]
        for n in (1, 200)
    ]
    assert np.mean(ratios[0]) < np.mean(ratios[1])
