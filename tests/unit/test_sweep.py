"""Sweeps: what is planned, who works on it, and what is said of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PipelineError, SpecError
from pipeline.sweep import trial
from pipeline.sweep.page import write_pages
from pipeline.sweep.plan import SweepPlan, read_plan, spec_of
from pipeline.sweep.study import Outcome, Study, default_storage, settled
from pipeline.sweep.verdict import verdict
from pipeline.target import known_names

BASE = """
model.name = "mobilenet_v1"
model.parameters.alpha = 0.25
data.name = "synthetic_digits"
training.epochs = 2
"""
GRID = """
base = "base.toml"
[values]
"training.seed" = [1, 2, 3]
[[settings]]
"model.name" = "linear_mnist"
"training.epochs" = 5
[[settings]]
"model.name" = "mlp1_mnist"
"""
SAMPLED = """
base = "base.toml"
[sampled]
trials = 6
metric = "accuracy"
[sampled.space]
"training.learning_rate" = {low = 1e-4, high = 1.0, log = true}
"training.epochs" = {low = 1, high = 3}
"model.name" = {choices = ["linear_mnist", "mlp1_mnist"]}
"""


def plan_of(folder: Path, text: str) -> SweepPlan:
    (folder / "base.toml").write_text(BASE)
    path = folder / "sweep.toml"
    path.write_text(text)
    return read_plan(path, known_names())


def result(accuracy: float, trained: float = 0.9) -> dict[str, Any]:
    curve = [[n, trained, accuracy] for n in range(10)]
    return {
        "accuracy": accuracy,
        "train_accuracy": trained,
        "epochs": 2,
        "parameters": 1,
        "classes": 10,
        "curve": curve,
        "curve_unit": "update",
    }


def test_every_table_is_combined_with_every_value_and_makes_a_spec(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, GRID)
    assert len(plan.settings) == 6
    specs = [spec_of(plan, settings) for settings in plan.settings]
    assert [(s.model.name, s.training.epochs, s.training.seed) for s in specs] == [
        *(("linear_mnist", 5, seed) for seed in (1, 2, 3)),
        *(("mlp1_mnist", 2, seed) for seed in (1, 2, 3)),
    ]
    assert not specs[0].model.parameters  # they were mobilenet_v1's


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'base is missing: the spec to begin from, base = "spec.toml"'),
        ('base = "base.toml"', "either [sampled], or [values] and [[settings]], or [[axis.NAME]]"),
        ('base = "base.toml"\n[[axis.a]]\nname = "x"\n[[axis.a]]\nname = "x"', "need a name"),
        (
            'base = "base.toml"\n[[axis.a]]\nname = "one"\n[[axis.a]]\nname = "z"\nagainst = "on"',
            'z: against is "on"; did you mean "one"?',
        ),
        ('base = "other.toml"\nvalues = {}', "other.toml cannot be read"),
        ('base = "base.toml"\nvalue = {}', 'unknown key "value"; did you mean "values"?'),
        (
            'base = "base.toml"\n[values]\n"training.epoch" = [1]',
            'setting 1 (epoch 1): 8: [training] unknown key "epoch"; did you mean "epochs"?',
        ),
        ('base = "base.toml"\n[repeat]\n"training.seed" = [1]', "[repeat] is for [[axis.NAME]]"),
        ('base = "base.toml"\nvalues = 3', "values must be a table of lists: [values]"),
        (
            'base = "base.toml"\n[[settings]]\n"model.name.x" = 3',
            '"model.name.x": name is no table',
        ),
        (
            'base = "base.toml"\n[sampled]\ntrials = 3\nmetric = ["accuracy"]\n'
            'space = {"training.epochs" = {low = 1, high = 2}}',
            '[sampled] metric is ["accuracy"]',
        ),
        (
            'base = "base.toml"\n[sampled]\ntrials = 3\nseed = "one"\n'
            'space = {"training.epochs" = {low = 1, high = 2}}',
            "[sampled] seed must be a number from 0 on",
        ),
        (
            'base = "base.toml"\n[sampled]\ntrials = 3\n'
            'space = {"training.epoch" = {low = 1, high = 2}}',
            'unknown key "epoch"; did you mean "epochs"?',
        ),
        (
            'base = "base.toml"\n[[settings]]\n"model.name" = "lenear_mnist"',
            'unknown model "lenear_mnist"; did you mean "linear_mnist"?',
        ),
        (SAMPLED.replace("high = 3", "hihg = 3"), "needs low and high, numbers in that order"),
        (SAMPLED.replace('"accuracy"', '"acuracy"'), 'did you mean "accuracy"?'),
    ],
)
def test_mistakes_are_named_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        plan_of(tmp_path, text)
    said = str(error.value)
    assert message.split(": 8:")[0] in said
    assert "\n" not in said


def test_failures_are_recorded_and_skipped_and_only_tried_again_when_asked(tmp_path: Path) -> None:
    plan, worked = plan_of(tmp_path, GRID), Counter()

    def work(settings: Any) -> dict[str, Any]:
        worked[settings["model.name"], settings["training.seed"]] += 1
        if settings["training.seed"] == 2:
            raise PipelineError("train: no luck")
        return result(0.5)

    def sweep(retry: bool) -> list[Outcome]:
        study = Study(plan, default_storage(tmp_path))
        study.prepare(retry)
        study.run(work, 2, lambda outcome: None)
        return study.outcomes()

    outcomes = sweep(retry=False)
    assert [dict(o.settings) for o in outcomes] == [dict(s) for s in plan.settings]
    assert settled(outcomes) == (4, 2, 0)
    assert outcomes[1].error == "train: no luck"
    assert set(worked.values()) == {1}
    sweep(retry=False)
    assert set(worked.values()) == {1}
    sweep(retry=True)
    assert {seed: count for (_, seed), count in worked.items()} == {1: 1, 2: 2, 3: 1}


def test_a_killed_worker_s_setting_is_taken_up_again(tmp_path: Path) -> None:
    plan, seen = plan_of(tmp_path, GRID), []
    pid = os.fork()
    if pid == 0:  # the worker: ends within its second setting, as if killed

        def die(settings: Any) -> dict[str, Any]:
            seen.append(settings)
            if len(seen) == 2:
                os._exit(9)
            return result(0.25)

        study = Study(plan, default_storage(tmp_path))
        study.prepare(False)
        study.run(die, 1, lambda outcome: None)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9

    def work(settings: Any) -> dict[str, Any]:
        seen.append(dict(settings))
        return result(0.75)

    study = Study(plan, default_storage(tmp_path))
    study.prepare(False)
    study.run(work, 1, lambda outcome: None)
    assert seen == [dict(s) for s in plan.settings[1:]] or sorted(map(str, seen)) == sorted(
        str(dict(s)) for s in plan.settings[1:]
    )
    assert [o.result["accuracy"] for o in study.outcomes() if o.result] == [0.25, *[0.75] * 5]


def test_two_that_share_a_database_do_every_setting_once(tmp_path: Path) -> None:
    plan, worked, lock = plan_of(tmp_path, GRID), Counter(), threading.Lock()

    def work(settings: Any) -> dict[str, Any]:
        with lock:
            worked[str(settings)] += 1
        return result(0.5)

    Study(plan, default_storage(tmp_path)).prepare(False)
    studies = [Study(plan, default_storage(tmp_path)) for _ in range(2)]
    threads = [
        threading.Thread(target=study.run, args=(work, 2, lambda outcome: None))
        for study in studies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert settled(studies[0].outcomes()) == (6, 0, 0)
    assert set(worked.values()) == {1}


def test_drawn_settings_lie_within_their_ranges_and_are_as_many_as_asked(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, SAMPLED)
    study = Study(plan, default_storage(tmp_path))
    study.prepare(False)
    study.run(lambda settings: result(settings["training.epochs"] / 4), 1, lambda outcome: None)
    drawn = [outcome.settings for outcome in study.outcomes()]
    assert len(drawn) == 6
    for settings in drawn:
        assert 1e-4 <= settings["training.learning_rate"] <= 1.0
        assert settings["training.epochs"] in (1, 2, 3)
        spec_of(plan, settings, known_names())
    study.prepare(False)
    study.run(lambda settings: pytest.fail("all were done"), 1, lambda outcome: None)


@pytest.mark.parametrize(
    ("trained", "tested", "best", "expected"),
    [
        (0.15, 0.15, 0.9, "diverged"),
        (0.99, 0.96, 0.99, "over-fitted"),
        (0.93, 0.93, 0.96, "under-fitted"),
        (0.96, 0.95, 0.97, "fitted"),
    ],
)
def test_the_verdict_follows_its_rule(
    trained: float, tested: float, best: float, expected: str
) -> None:
    assert verdict(result(tested, trained), None, best) == expected


def test_an_autoencoder_has_no_verdict() -> None:
    """Its accuracy is null: `train` judges it by its squared error."""
    no_accuracy = {"accuracy": None, "train_accuracy": None, "curve": []}
    assert verdict(no_accuracy, None, 0.0) is None


def test_divergence_is_held_against_guessing_among_the_classes_there_are() -> None:
    """0.55 is no better than guessing between two classes, and far better than among ten."""
    assert verdict(result(0.55, 0.55), None, 0.55) == "fitted"
    assert verdict(result(0.55, 0.55) | {"classes": 2}, None, 0.55) == "diverged"


def test_a_test_accuracy_that_still_rises_is_under_fitting_and_a_lost_number_divergence() -> None:
    rising = result(0.95, 0.95) | {"curve": [[n, 0.9, 0.9 + n / 100] for n in range(10)]}
    assert verdict(rising, None, 0.95) == "under-fitted"
    lost = "train: the loss is no longer a number in epoch 1, batch 2"
    assert verdict(None, lost, 0.95) == "diverged"
    assert verdict(None, "train: killed", 0.95) is None


def test_pages_tell_every_setting(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, GRID)
    outcomes = [
        Outcome(settings, None, "train: no luck")
        if settings["training.seed"] == 2
        else Outcome(settings, result(0.5), None)
        for settings in plan.settings
    ]
    table = write_pages(plan, outcomes, tmp_path)
    assert table.columns == ("seed", "model", "epochs", "train", "test", "verdict")
    assert table.rows[0].cells == ("1", "linear_mnist", "5", "90.00 %", "50.00 %", "over-fitted")
    assert table.rows[1].cells[-1] == "failed: train: no luck"
    assert table.rows[3].cells[2] == "-"  # the base's
    page = (tmp_path / "sweep.html").read_text()
    assert page.count("<svg viewBox") == 4
    assert (
        "| 1 | linear_mnist | 5 | 90.00 % | 50.00 % | over-fitted |"
        in (tmp_path / "sweep.md").read_text()
    )
    trials = json.loads((tmp_path / "sweep.json").read_text())["trials"]
    assert [trial["settings"] for trial in trials] == [dict(s) for s in plan.settings]


def test_a_sweep_that_is_ended_ends_its_trials_and_records_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    thread = threading.Thread(target=lambda: codes.append(trial._completed(command).returncode))
    thread.start()
    while not trial._running:
        thread.join(0.01)
    trial.end_trials()
    thread.join(30)
    assert codes == [-signal.SIGTERM]

    interrupted = subprocess.CompletedProcess([], 130, "", "Interrupted; ...")
    monkeypatch.setattr(trial, "_completed", lambda command: interrupted)
    plan = plan_of(tmp_path, GRID)
    with pytest.raises(KeyboardInterrupt):
        trial.run_trial(plan, plan.settings[0], tmp_path)
