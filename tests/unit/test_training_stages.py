"""What the keys of training stages depend on: contents and settings of their own, not places."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import SpecError
from pipeline.spec import own_files
from pipeline.stages import training as training_stages
from pipeline.stages.run import Run, Stage
from pipeline.store import RunFolder, canonical_key
from pipeline.target import Overrides, target_of_spec
from pipeline.terminal import Terminal

QAT = """
[model]
name = "sepconv_mnist"
[data]
name = "synthetic_digits"
[quantization]
mode = "qat"
"""
STAGES = (
    training_stages.TRAIN,
    training_stages.POST_TRAINING,
    training_stages.QUANTIZE_AWARE,
    training_stages.CONVERT,
)


@pytest.fixture(autouse=True)
def _each_run_is_a_process():
    own_files.content_hash.cache_clear()


def opened(folder: Path, text: str) -> Run:
    folder.mkdir(exist_ok=True)
    path = folder / "x.toml"
    path.write_text(text)
    return Run(RunFolder(folder / "run"), target_of_spec(path, Overrides()), Terminal(quiet=True))


def keys(run: Run) -> dict[str, str]:
    own_files.content_hash.cache_clear()
    return {
        stage.name: canonical_key(stage.settings(run)) for stage in STAGES if applies(stage, run)
    }


def applies(stage: Stage, run: Run) -> bool:
    return stage.applies(run.target)


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("qat_epochs = 3", {"quantize_aware"}),
        ("qat_learning_rate = 0.01", {"quantize_aware"}),
        ("calibration_samples = 7", {"post_training", "convert"}),
        ('calibration = "error"', {"post_training", "convert"}),
        ("[training]\nepochs = 6", {"train"}),
        # What the float training shares with the further one.
        ("[training]\nbatch_size = 6", {"train", "quantize_aware"}),
        ("[benchmark]\nruns = 6", set()),
    ],
)
def test_a_setting_is_in_the_key_of_the_stages_it_is_for(line, changed, tmp_path):
    before, after = keys(opened(tmp_path, QAT)), keys(opened(tmp_path, QAT + line))
    assert {name for name in before if before[name] != after[name]} == changed


def test_without_quantization_aware_training_its_stages_are_passed_over(tmp_path):
    run = opened(tmp_path, QAT.replace("qat", "ptq"))
    assert set(keys(run)) == {"train", "convert"}
    assert set(training_stages.CONVERT.taken(run.target)) == {"model.keras"}
    assert run.bring(training_stages.QUANTIZE_AWARE) == {}
    taken = training_stages.CONVERT.taken(opened(tmp_path, QAT).target)
    assert set(taken) == {"model.keras", "qat_weights.npz"}


def test_files_are_in_the_keys_by_content_and_not_by_place(tmp_path):
    text = 'model.name = "net.py:build"\ndata.name = "d.npz"'

    def keys_at(name: str, source: str, arrays: str) -> dict[str, str]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "net.py").write_text(source)
        (folder / "d.npz").write_text(arrays)
        return keys(opened(folder, text))

    first = keys_at("a", "1", "2")
    assert keys_at("b", "1", "2") == first
    other_source = keys_at("b", "3", "2")
    assert other_source["train"] != first["train"]
    assert other_source["convert"] == first["convert"]  # what it takes is the trained model
    other_data = keys_at("b", "1", "4")
    assert all(other_data[name] != first[name] for name in first)


def test_a_saved_model_depends_on_no_training_setting(tmp_path):
    (tmp_path / "m.keras").write_text("1")
    text = 'model.name = "m.keras"\ndata.name = "mnist"\n'
    before = keys(opened(tmp_path, text))
    assert keys(opened(tmp_path, text + "training.epochs = 9")) == before
    (tmp_path / "m.keras").write_text("2")
    assert keys(opened(tmp_path, text))["train"] != before["train"]


def test_a_file_that_is_gone_is_named(tmp_path):
    (tmp_path / "net.py").write_text("1")
    run = opened(tmp_path, 'model.name = "net.py:build"\ndata.name = "mnist"')
    (tmp_path / "net.py").unlink()
    with pytest.raises(SpecError, match=r"net\.py: cannot be read: No such file or directory$"):
        keys(run)
