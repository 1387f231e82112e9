"""A whole search on drawn digits: within its budget on the device, and the same after a kill."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command import run
from pipeline.data import user_cache_folder

pytestmark = [pytest.mark.emulator, pytest.mark.training]

SPEC = """
[model]
name = "conv_mnist"

[model.parameters]
dense_units = 8

[data]
name = "synthetic_digits"

[training]
epochs = 1
seed = 1

[board]
id = "nano33ble_sim"

[benchmark]
samples = 20

[search]
step = 0.4
multiple = 4
tune_samples = 400
epochs = 1
runs = 1
"""
BUDGET = 160_000
LIMIT_S = 600.0


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A table of layers of this suite's own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield user_cache_folder()


def prepare(folder: Path) -> Path:
    (folder / "digits.toml").write_text(SPEC)
    return folder


def killed_after_the_first_trial(folder: Path) -> None:
    """Starts the search in a process of its own and kills that once a proposal is trained."""
    command = [sys.executable, "-m", "pipeline", "search", "digits.toml"]
    command += ["--max-instructions", str(BUDGET), "--output-dir", "search"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + LIMIT_S
    while not list((folder / "search" / "trials").glob("*.json")):
        assert time.monotonic() < deadline, "no proposal was trained"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            pytest.fail("it ended before it was killed")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def without_folders(search: dict) -> dict:
    return {**search, "runs": [{**run, "folder": None} for run in search["runs"]]}


def test_a_search_meets_its_budget_and_goes_on_after_a_kill(monkeypatch, tmp_path, capsys, cache):
    folders = [tmp_path / name for name in ("whole", "killed")]
    for folder in folders:
        folder.mkdir()
        prepare(folder)
    options = ("--max-instructions", BUDGET, "--output-dir", "search", "--json")
    assert run(monkeypatch, folders[0], "search", "digits.toml", *options) == 0
    whole = json.loads(capsys.readouterr().out)
    [last] = whole["runs"][-1:]
    assert last["instructions"] <= BUDGET
    assert last["identical"] is True
    assert whole["steps"][0]["cost"]["instructions"] > BUDGET
    for step in whole["steps"][1:]:
        best = max(proposal["accuracy"] for proposal in step["proposals"])
        assert step["accuracy"] == best
        assert abs(step["table_error_percent"]) < 5
    report = json.loads((folders[0] / last["folder"] / "report.json").read_text())
    assert report["instructions_per_inference"]["median"] == last["instructions"]

    # The table knows these layers now; a search that begins anew looks up the same costs.
    [table] = (cache / "layer-costs").glob("nano33ble_sim-balanced-*.json")
    known = table.read_bytes()
    killed_after_the_first_trial(folders[1])
    trials = {f: f.read_bytes() for f in (folders[1] / "search" / "trials").glob("*.json")}
    assert run(monkeypatch, folders[1], "search", "digits.toml", *options) == 0
    assert without_folders(json.loads(capsys.readouterr().out)) == without_folders(whole)
    assert all(file.read_bytes() == content for file, content in trials.items())
    assert table.read_bytes() == known


def test_a_budget_that_cannot_be_met_is_refused_before_training(monkeypatch, tmp_path, capsys):
    spec = '[model]\nname = "mlp1_mnist"\n[data]\nname = "synthetic_digits"\n'
    (tmp_path / "digits.toml").write_text(spec)
    options = ("--max-instructions", 900, "--output-dir", "search")
    assert run(monkeypatch, tmp_path, "search", "digits.toml", *options) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.match(r"Error: search: 900 instructions cannot be reached: .* takes [\d,]+ ", error)
    assert not (tmp_path / "search" / "start").exists()
