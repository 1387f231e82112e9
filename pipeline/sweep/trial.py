"""One setting of a sweep, run by a process of its own in a run folder of its own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.spec import dump_spec
from pipeline.stages.compression import FACTS
from pipeline.stages.training import HISTORY, QAT_HISTORY
from pipeline.store import canonical_key, write_if_changed
from pipeline.sweep.axes import Settings
from pipeline.sweep.plan import SweepPlan, spec_of
from pipeline.target import MODEL

SHARED_FOLDER = "shared"  # trainings that several settings begin with
_KEY_DIGITS = 12
_PACKING = 9  # gzip's level
_INTERRUPTED = 130  # exit code of a command that Ctrl-C or SIGTERM ended

_running: set[subprocess.Popen[str]] = set()


def trial_folder(sweep_folder: Path, settings: Settings) -> Path:
    """Its run folder: the same for the same settings, so that a run that was ended goes on."""
    return sweep_folder / "trials" / canonical_key(dict(settings))[:_KEY_DIGITS]


def run_trial(plan: SweepPlan, settings: Settings, sweep_folder: Path) -> dict[str, Any]:
    """Runs the command line on the setting's spec, as a user would. What trials train alike is
    trained once.

    Returns:
        what `training_result` gives; with until = "run" also the report's figures and
        "packed_bytes", the .tflite file's size through gzip -9.

    Raises:
        PipelineError: with the command's own line, where it failed.
    """
    folder = trial_folder(sweep_folder, settings)
    spec = folder.with_suffix(".toml")
    experiment = spec_of(plan, settings)
    write_if_changed(spec, dump_spec(experiment).encode())
    command = [sys.executable, "-m", "pipeline", plan.until, str(spec), "--quiet"]
    command += ["--output-dir", str(folder), "--share", str(sweep_folder / SHARED_FOLDER)]
    ended = _completed(command)
    if ended.returncode == _INTERRUPTED:
        raise KeyboardInterrupt  # no failure of the setting: it is taken up again
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise PipelineError(lines[-1].removeprefix("Error: "))
    histories = [_read(folder / HISTORY)]
    if plan.until == "run":
        steps = range(1, len(experiment.compression) + 1)
        histories += [_read(folder / FACTS.format(step))["history"] for step in steps]
        result = training_result(histories)
        if experiment.quantization.mode == "qat":
            result["accuracy_simulated"] = _read(folder / QAT_HISTORY)["accuracy"]
        result |= _report_result(_read(folder / "report.json"))
        packed = gzip.compress((folder / MODEL).read_bytes(), _PACKING, mtime=0)
        result["packed_bytes"] = len(packed)
        return result
    return training_result(histories)


def end_trials() -> None:
    """Ends all trials under way: a signal to this process alone does not reach theirs."""
    for process in tuple(_running):
        process.terminate()


def _completed(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        _running.add(process)
        try:
            output, errors = process.communicate()
        finally:
            _running.discard(process)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def training_result(histories: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a sweep tells of a model's training and of what compression trained on.

    Args:
        histories: content of history.json, then the histories of the compression's steps in order.

    Returns:
        "parameters", "accuracy" and "train_accuracy" of the float model in the end, "classes" of
        the data set, "epochs" in all, "curve" (rows of update or epoch, train accuracy, test
        accuracy).
    """
    curve = histories[0]["curve"] if len(histories) == 1 else []
    points = [[p["update"], p["train_accuracy"], p["test_accuracy"]] for p in curve]
    epochs = [epoch for history in histories for epoch in history["epochs"]]
    trained = points[-1][1] if points else (epochs[-1]["accuracy"] if epochs else None)
    return {
        "parameters": histories[-1]["parameters"],
        "accuracy": histories[-1]["accuracy"],
        "train_accuracy": trained,
        "classes": histories[0].get("classes"),
        "epochs": len(epochs),
        "curve": points
        or [[n, epoch["accuracy"], epoch["test_accuracy"]] for n, epoch in enumerate(epochs, 1)],
        "curve_unit": "update" if points else "epoch",
    }


def _report_result(report: Mapping[str, Any]) -> dict[str, Any]:
    accuracy, instructions = report["accuracy"], report["instructions_per_inference"]
    return {
        "accuracy_int8": None if accuracy is None else accuracy["int8_host"],
        "accuracy_on_device": None if accuracy is None else accuracy["on_device"],
        "samples_on_device": None if accuracy is None else accuracy["samples"],
        "golden_identical": report["golden"]["identical"],
        "instructions": None if instructions is None else instructions["median"],
        **{name: report[name] for name in ("flash_bytes", "ram_bytes", "arena_bytes")},
    }
