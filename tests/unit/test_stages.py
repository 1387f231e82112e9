"""What a report is made from, and which inputs a validation takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import small_models
from pipeline import stages
from pipeline.errors import PipelineError, UsageError
from pipeline.stages import report
from pipeline.stages.run import Run, Stage
from pipeline.store import RunFolder
from pipeline.target import MODEL, Overrides, target_of_model, target_of_spec
from pipeline.terminal import Terminal

SPEC = """
[model]
name = "sepconv_mnist"
[data]
name = "synthetic_digits"
"""
REPORTED = {"train", "convert", "evaluate", "analyze", "doctor", "generate", "build"}
REPORTED |= {"benchmark", "examine"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Every stage done, each artifact a text of its own."""
    path = tmp_path / "x.toml"
    path.write_text(SPEC)
    run = Run(RunFolder(tmp_path / "run"), target_of_spec(path, Overrides()), Terminal(quiet=True))
    for stage in stages.FROM_SPEC:
        if stage.applies(run.target):
            finish(run, stage, "first")
    return run


def finish(run: Run, stage: Stage, text: str) -> None:
    """Does a stage by hand."""
    for name in stage.gives:
        run.folder.write(f"{name}model.c" if name.endswith("/") else name, f"{name} {text}")
    inputs = run._inputs(stage)
    run.folder.finish_stage(stage.name, "key", stage.gives, inputs=inputs, result={"of": text})


def test_a_report_is_of_all_that_a_run_did(run: Run) -> None:
    assert set(report._results(run)) == REPORTED


@pytest.mark.parametrize(
    ("stage", "left_out"),
    [
        # What is trained anew is not what was converted before.
        (stages.TRAIN, {"train", "convert", "examine"}),
        (stages.ANALYZE, set()),
        (stages.FLASH, set()),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_results_of_other_artifacts_are_left_out(run: Run, stage: Stage, left_out: set) -> None:
    finish(run, stage, "second")
    assert set(report._results(run)) == REPORTED - left_out


def test_a_model_converted_anew_has_no_accuracy_until_it_is_evaluated(run: Run) -> None:
    for stage in (stages.CONVERT, stages.GENERATE, stages.BUILD, stages.BENCHMARK):
        finish(run, stage, "second")
    assert set(report._results(run)) == REPORTED - {"evaluate", "analyze", "doctor", "examine"}


def test_a_report_of_another_firmware_is_refused(run: Run) -> None:
    finish(run, stages.BUILD, "second")
    with pytest.raises(PipelineError, match=r"benchmark of .*/run is missing or out of date; do"):
        report._results(run)
    run.folder.write("generated/model.c", "edited")
    with pytest.raises(PipelineError, match=r"build of .*/run is missing or out of date; do it"):
        report._results(run)


def test_a_benchmark_that_failed_has_no_report(run: Run) -> None:
    run.folder.write(stages.SERIAL_LOG, "no greeting")
    with pytest.raises(PipelineError, match="benchmark of"):
        report._results(run)


def test_inputs_of_a_validation(tmp_path: Path) -> None:
    target = target_of_model(Path("dense.tflite"), Overrides(seed=4))
    run = Run(RunFolder(tmp_path), target, Terminal(quiet=True))
    run.folder.write(MODEL, small_models.dense_relu())
    vectors = stages.validation_inputs(run, "random:5")
    assert [x.shape for (x,) in vectors] == [(1, 2)] * 5
    with pytest.raises(
        UsageError, match=r"'test:5' needs a data set, and a \.tflite alone has none"
    ):
        stages.validation_inputs(run, "test:5")


def test_test_images_are_those_of_the_benchmark(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline import accuracy

    images = np.arange(12, dtype=np.int8).reshape(3, 2, 2, 1)
    monkeypatch.setattr(accuracy, "evaluation_inputs", lambda graph, data, count: images[:count])
    run.folder.write(MODEL, small_models.dense_relu())
    vectors = stages.validation_inputs(run, "test:2")
    assert [x.tobytes() for (x,) in vectors] == [images[:1].tobytes(), images[1:2].tobytes()]
    with pytest.raises(UsageError, match=r"N in test:N must be 1 to \d+$"):
        stages.validation_inputs(run, "test:1000000")


@pytest.mark.parametrize(
    "more", ["", '[[compression]]\ntechnique = "prune_channels"\nratio = 0.5\n'], ids=len
)
def test_what_is_compared_with_the_int8_model_is_what_was_converted(
    more: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(SPEC + more)
    target = target_of_spec(path, Overrides())
    converted = stages.CONVERT.taken(target)
    assert stages.EXAMINE.taken(target) == {MODEL: "convert", **converted}
    assert len(converted) == 1
