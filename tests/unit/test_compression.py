"""[[compression]] from the spec to the run folder: order, keys, files that are the same again."""

from __future__ import annotations

from pathlib import Path

import pytest

from compressed import TRAINING, few_digits, trained_conv
from pipeline.compress.prune_channels import PruneChannels
from pipeline.data import Dataset
from pipeline.errors import PipelineError, SpecError
from pipeline.spec import dump_spec, parse_spec
from pipeline.stages import COMPRESS, CONVERT, QUANTIZE_AWARE, TRAIN
from pipeline.stages.run import Run
from pipeline.store import RunFolder, canonical_key
from pipeline.target import Overrides, target_of_spec
from pipeline.terminal import Terminal
from pipeline.training.checkpoint import Checkpoint

BASE = """
[model]
name = "conv_mnist"
[data]
name = "synthetic_digits"
"""
PRUNE = """
[[compression]]
technique = "prune_channels"
ratio = 0.25
"""


def opened(folder: Path, text: str) -> Run:
    path = folder / "x.toml"
    path.write_text(text)
    return Run(RunFolder(folder / "run"), target_of_spec(path, Overrides()), Terminal(quiet=True))


def test_techniques_are_read_in_order_and_read_back():
    spec = parse_spec(BASE + PRUNE + PRUNE.replace("0.25", "0.5"), Path("x.toml"))
    assert spec.compression == (PruneChannels(ratio=0.25), PruneChannels(ratio=0.5))
    assert parse_spec(dump_spec(spec), Path("x.toml")) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[compression]]", '6: [[compression]] lacks the key "technique"; known: '),
        ("[compression]", "6: [[compression]] must be a table for each technique"),
        (
            '[[compression]]\ntechnique = "prune_chanels"',
            '7: [[compression]] unknown technique "prune_chanels"; did you mean "prune_channels"?',
        ),
        (
            '[[compression]]\ntechnique = ["prune"]',
            '7: [[compression]] unknown technique ["prune"]',
        ),
        (
            PRUNE + PRUNE.replace("ratio", "ration"),
            '13: [[compression]] prune_channels: unknown key "ration"; did you mean "ratio"?',
        ),
        (
            PRUNE.replace("0.25", "1.0"),
            "9: [[compression]] prune_channels: ratio must be a number from 0 to 0.99, it is 1.0",
        ),
        (PRUNE * 9, "7: [[compression]] 9 techniques, at most 8 are taken"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_nearest_name(text, message):
    with pytest.raises(SpecError) as raised:
        parse_spec(BASE + text, Path("x.toml"))
    assert str(raised.value).startswith(f"x.toml:{message}")


def test_a_run_without_compression_has_the_stages_and_artifacts_it_had(tmp_path):
    run = opened(tmp_path, BASE)
    assert not any(stage.applies(run.target) for stage in COMPRESS)
    assert set(CONVERT.taken(run.target)) == {"model.keras"}


def test_each_technique_takes_what_the_one_before_gives(tmp_path):
    run = opened(tmp_path, BASE + PRUNE + PRUNE + '[quantization]\nmode = "qat"')
    first, second, third = COMPRESS[:3]
    assert set(first.taken(run.target)) == {"model.keras"}
    assert set(second.taken(run.target)) == {"compressed_1.keras"}
    assert set(QUANTIZE_AWARE.taken(run.target)) == {"compressed_2.keras"}
    assert set(CONVERT.taken(run.target)) == {"compressed_2.keras", "qat_weights.npz"}
    assert not third.applies(run.target)


def test_another_setting_of_the_second_technique_leaves_the_first_as_it_is(tmp_path):
    def keys(text: str) -> list[str]:
        run = opened(tmp_path, text)
        return [canonical_key(stage.settings(run)) for stage in (TRAIN, *COMPRESS[:2])]

    before, after = keys(BASE + PRUNE + PRUNE), keys(BASE + PRUNE + PRUNE + "epochs = 7")
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return few_digits()


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory) -> Path:
    return trained_conv(dataset, tmp_path_factory.mktemp("trained"))


@pytest.mark.training
def test_a_pruned_network_is_trained_on_and_converts_to_a_smaller_file(dataset, trained, tmp_path):
    from pipeline.convert import convert
    from pipeline.spec import QuantizationSpec
    from pipeline.tflite_reader import read_tflite
    from pipeline.training.compression import compress

    settings = PruneChannels(ratio=0.5, epochs=1, learning_rate=0.005)
    compressed = compress(settings, TRAINING, dataset, trained, tmp_path / "small.keras")
    assert (compressed.parameters_before, compressed.parameters) == (13_570, 3_510)
    assert compressed.history.accuracy > compressed.untuned
    model = convert(tmp_path / "small.keras", dataset, QuantizationSpec(calibration_samples=20))
    graph = read_tflite(model.content)
    shapes = [op.inputs[1].shape for op in graph.operators if op.kind == "CONV_2D"]
    assert shapes == [(4, 3, 3, 1), (4, 3, 3, 4)]


@pytest.mark.training
def test_fine_tuning_that_was_ended_goes_on_to_the_same_file(dataset, trained, tmp_path):
    from pipeline.training.compression import compress

    settings = PruneChannels(ratio=0.25, epochs=1)
    whole, resumed = tmp_path / "whole.keras", tmp_path / "resumed.keras"
    compress(settings, TRAINING, dataset, trained, whole)
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "key", interval_seconds=0.0)

    def end(at) -> None:
        if at.batch == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compress(settings, TRAINING, dataset, trained, resumed, end, checkpoint=checkpoint)
    assert not resumed.exists()
    batches = []
    compress(
        settings,
        TRAINING,
        dataset,
        trained,
        resumed,
        lambda at: batches.append(at.batch),
        checkpoint=checkpoint,
    )
    assert batches[0] == 12  # the eleven updates before the last saving are not done again
    assert resumed.read_bytes() == whole.read_bytes()


def test_a_spec_without_techniques_has_nothing_to_compress(tmp_path):
    from click.testing import CliRunner

    from pipeline.cli import cli

    path = tmp_path / "x.toml"
    path.write_text(BASE)
    result = CliRunner().invoke(cli, ["compress", str(path), "--output-dir", str(tmp_path / "run")])
    assert isinstance(result.exception, PipelineError)
    assert str(result.exception).startswith("compress: x asks for no compression")
