"""What a technique gained over repetitions: means, intervals and words against known values."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages.training import TRAIN
from pipeline.sweep.gain import Gain, Trial, gains
from pipeline.sweep.plan import read_plan, spec_of, title
from pipeline.target import known_names

EXAMPLE = Path(__file__).parents[2] / "examples" / "compression_study.toml"
TINY = """
model.name = "conv_mnist"
data.name = "synthetic_digits"
training.epochs = 1
quantization.calibration_samples = 20
[benchmark]
runs = 1
warmups = 0
samples = 3
"""


def trials(name: str, accuracies: list[float], instructions: int | None, **others: Any) -> list:
    return [
        Trial(
            {"model": "m", "technique": name},
            {"seed": seed},
            {"accuracy_int8": accuracy, "instructions": instructions, **others},
        )
        for seed, accuracy in enumerate(accuracies)
    ]


def told(accuracies: list[float], instructions: int | None, base: list[float], **others) -> Gain:
    """A technique beside a baseline of 1,000 instructions."""
    rows = trials("int8", base, 1000, packed_bytes=100)
    rows += trials("it", accuracies, instructions, **others)
    return gains(rows, {})[1]


@pytest.mark.parametrize(
    ("accuracies", "instructions", "verdict"),
    [
        # Differences of -0.1, -0.2 and -0.3 points: their standard deviation is 0.1, and Student's
        # t with 2 degrees of freedom 4.30: half the interval is 4.30 x 0.1 / sqrt(3) = 0.248.
        ([0.969, 0.968, 0.967], 450, "pays: -55 % instructions, as accurate, -0.20 points (±0.25)"),
        ([0.969, 0.968, 0.967], 1430, "does not pay: +43 % instructions, as accurate, -0.20"),
        ([0.958, 0.958, 0.958], 450, "trades: -55 % instructions, -1.20 points (±0.00)"),
        (
            [0.95, 0.99, 0.94],
            450,
            "undecided: -55 % instructions, accuracy undecided, -1.00",
        ),
        ([0.974, 0.974, 0.974], 1000, "pays: +0.40 points (±0.00)"),
        ([0.9705, 0.9705, 0.9705], 1000, "does not pay: as accurate, +0.05 points (±0.00)"),
        ([0.969], 1010, "does not pay: as accurate, -0.10 points (one seed)"),
        ([0.968, 0.966], 1000, "does not pay: -0.30 points (two seeds)"),
        ([0.98, 0.944], 1000, "does not pay: accuracy undecided, -0.80 points (two seeds)"),
        ([0.972, 0.969], 1000, "does not pay: as accurate, +0.05 points (two seeds)"),
        ([0.97, 0.97, 0.97], None, "not on this device; as accurate, +0.00 points (±0.00)"),
    ],
)
def test_the_verdict_is_of_paired_differences_and_their_interval(
    accuracies: list[float], instructions: int | None, verdict: str
) -> None:
    assert told(accuracies, instructions, [0.97] * 3).verdict.startswith(verdict)


def test_a_packed_file_is_told_where_the_device_gains_nothing() -> None:
    gain = told([0.97] * 3, 1000, [0.97] * 3, packed_bytes=53)
    assert gain.verdict.endswith("; the packed file is 47 % smaller")


def test_a_row_is_held_against_what_it_names_and_only_at_the_same_seed() -> None:
    rows = trials("int8", [0.9], 1000) + trials("more", [0.95, 0.5], 1000)
    rows += trials("it", [0.96], 500)
    third = gains(rows, {"it": "more"})[2]
    assert third.verdict == "pays: -50 % instructions, +1.00 points (one seed)"
    assert (third.done, third.planned) == (1, 1)


def test_what_failed_and_what_is_open_says_so() -> None:
    place = {"model": "m", "technique": "it"}
    rows = [*trials("int8", [0.9], 1000), Trial(place, {}, None, "compress: no layer")]
    assert gains(rows, {})[1].verdict == "does not apply: compress: no layer"
    rows[1] = Trial(place, {}, None)
    assert gains(rows, {})[1].verdict == "open"


def test_the_study_trains_nine_networks_and_begins_with_all_of_the_first_seed() -> None:
    plan = read_plan(EXAMPLE, known_names())
    specs = [spec_of(plan, settings) for settings in plan.settings]
    assert len(specs) == 3 * 3 * 25
    assert len({repr((s.model, s.data, s.training)) for s in specs}) == 9
    assert {s.training.seed for s in specs[:75]} == {0}
    assert title(plan, plan.settings[0]) == "conv_mnist, int8, seed 0"


@pytest.mark.training
@pytest.mark.emulator
def test_a_tiny_study_tells_the_compressed_networks_and_trains_once(tmp_path: Path) -> None:
    from pipeline.sweep.page import write_pages
    from pipeline.sweep.study import Study, default_storage
    from pipeline.sweep.trial import SHARED_FOLDER, run_trial

    plan = read_plan(EXAMPLE, known_names())
    names = ("int8", "trained on", "channels 0.5, distillation")
    chosen = [n for n, place in enumerate(plan.axes.places[:25]) if place["technique"] in names]
    plan = dataclasses.replace(
        plan,
        base=TINY,
        settings=tuple(plan.settings[n] for n in chosen),
        axes=dataclasses.replace(plan.axes, places=tuple(plan.axes.places[n] for n in chosen)),
    )
    study = Study(plan, default_storage(tmp_path))
    study.prepare(False)
    study.run(lambda settings: run_trial(plan, settings, tmp_path), 2, lambda outcome: None)
    plain, more, cut = [outcome.result for outcome in study.outcomes()]
    records = [json.loads(p.read_text()) for p in (tmp_path / SHARED_FOLDER).glob("*/record.json")]
    assert [record["stage"] for record in records].count(TRAIN.name) == 1
    assert plain["parameters"] == more["parameters"] == 13_570
    assert cut["parameters"] == 3_510
    assert plain["accuracy"] != more["accuracy"]  # of the compressed model, not of the trained one
    for result in (plain, more, cut):
        assert result["golden_identical"] is True
        assert result["accuracy_on_device"] is not None
        assert 0 < result["packed_bytes"] < result["flash_bytes"]
    assert cut["instructions"] < 0.6 * plain["instructions"]
    write_pages(plan, study.outcomes(), tmp_path)
    page = (tmp_path / "sweep.md").read_text()
    assert "| 3 | channels 0.5, distillation | 1 | " in page
    assert "-55 % instructions" in page
    shown = json.loads((tmp_path / "sweep.json").read_text())
    assert shown["gains"][2]["values"]["parameters"]["mean"] == 3_510
