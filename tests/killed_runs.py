"""Runs of the pipeline that are killed at random moments, and what the next run makes of the rest.

By hand, longer than the tests do it: `python tests/killed_runs.py --kills 200`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import small_models

SPEC = """
[model]
name = "mlp1_mnist"

[data]
name = "synthetic_digits"

[training]
epochs = 1

[board]
id = "nano33ble_sim"

[benchmark]
runs = 30
samples = 20
"""
LIMIT_S = 600.0


@dataclass(frozen=True)
class Killed:
    """What a killed run had said last.

    Attributes:
        in_time: whether the kill came before the run ended by itself.
    """

    in_time: bool
    last_line: str


def prepare(folder: Path) -> dict[str, list[str]]:
    """Commands, without their --output-dir, on a spec and on a model that are written here."""
    (folder / "digits.toml").write_text(SPEC)
    (folder / "convnet.tflite").write_bytes(small_models.two_headed_convnet())
    return {
        "spec": ["run", str(folder / "digits.toml")],
        "model": ["benchmark", str(folder / "convnet.tflite")],
    }


def run(command: Sequence[str], output: Path, kill_after_s: float | None = None) -> Killed:
    """One run in a process group of its own, which is killed after that time.

    Raises:
        AssertionError: it ended with an error before.
    """
    arguments = [sys.executable, "-m", "pipeline", *command, "--output-dir", str(output)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        try:
            process.wait(LIMIT_S if kill_after_s is None else kill_after_s)
            in_time = False
        except subprocess.TimeoutExpired:
            in_time = True
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").splitlines()
    assert in_time or process.returncode == 0, "\n".join(lines)
    assert not in_time or kill_after_s is not None, f"no end within {LIMIT_S:g} s"
    return Killed(in_time, lines[-1] if lines else "")


def outcome(folder: Path) -> dict[str, Any]:
    """Hashes of artifacts and results of stages that a finished run leaves.

    Without what two uninterrupted runs do not share either: serial.log, since a byte arrives at
    any tick of the emulated counter, and report.html, which lists its hash.
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    leavings = [path.name for path in folder.rglob("*.part")]
    assert not leavings, leavings
    hashes = manifest["artifacts"]
    return {
        "artifacts": {n: h for n, h in hashes.items() if n not in ("serial.log", "report.html")},
        "names": sorted(hashes),
        "results": {name: stage["result"] for name, stage in manifest["stages"].items()},
        "versions": manifest["versions"],
        "seed": manifest["seed"],
    }


class Trial:
    """Killed runs of the spec or the model, each beside an uninterrupted one.

    Attributes:
        seconds: that the uninterrupted run took.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._output = folder / "run"  # always the same: debug information has the path
        started = time.monotonic()
        run(command, self._output)
        self.seconds = time.monotonic() - started
        self._expected = outcome(self._output)

    def kill_and_finish(self, kill_after_s: float) -> tuple[Killed, bool]:
        """Where a new run was killed, and whether the next one left what it should have."""
        shutil.rmtree(self._output)
        killed = run(self._command, self._output, kill_after_s)
        run(self._command, self._output)
        return killed, outcome(self._output) == self._expected


def main() -> None:
    """Prints where each run was killed; exit code 1 where the next left something else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spec-share", type=float, default=0.3, help="of runs that train")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        commands = prepare(Path(scratch))
        trials = {name: Trial(c, Path(scratch) / name) for name, c in commands.items()}
        kills = attempts = differences = 0
        while kills < options.kills:
            attempts += 1
            name = "spec" if rng.random() < options.spec_share else "model"
            trial = trials[name]
            killed, same = trial.kill_and_finish(rng.uniform(0, trial.seconds))
            kills += killed.in_time
            differences += not same
            where = killed.last_line if killed.in_time else "ended before"
            print(f"{kills} {name} {'same' if same else 'DIFFERS'}: {where}", flush=True)
        print(f"{kills} kills in {attempts} runs, {differences} with other artifacts")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
