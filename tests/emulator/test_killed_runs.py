"""Runs that are killed at random moments: the next run leaves what an uninterrupted one does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from killed_runs import Trial, prepare

pytestmark = [pytest.mark.emulator, pytest.mark.training]


@pytest.mark.parametrize(("source", "kills"), [("spec", 4), ("model", 6)])
def test_a_killed_run_is_finished_by_the_next(tmp_path: Path, source: str, kills: int) -> None:
    trial = Trial(prepare(tmp_path)[source], tmp_path)
    rng = random.Random(source)
    done = 0
    for _ in range(3 * kills):  # one that has ended by itself does not count
        killed, same = trial.kill_and_finish(rng.uniform(0, trial.seconds))
        assert same, killed.last_line
        done += killed.in_time
        if done == kills:
            return
    pytest.fail(f"{done} of {kills} runs were killed in time")
