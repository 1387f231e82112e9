"""One setting of a sweep, run by a process of its own in a run folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.spec import dump_spec
from pipeline.stages.training import HISTORY
from pipeline.store import canonical_key, write_if_changed
from pipeline.sweep.plan import Settings, SweepPlan, spec_of

_KEY_DIGITS = 12


def trial_folder(sweep_folder: Path, settings: Settings) -> Path:
    """Its run folder: the same for the same settings, so that a run that was ended goes on."""
    return sweep_folder / "trials" / canonical_key(dict(settings))[:_KEY_DIGITS]


def run_trial(plan: SweepPlan, settings: Settings, sweep_folder: Path) -> dict[str, Any]:
    """Runs the command line on the setting's spec, as a user would.

    Returns:
        "accuracy", "train_accuracy", "epochs" and "curve" (rows of update, train accuracy, test
        accuracy); with until = "run" also the report's figures.

    Raises:
        PipelineError: with the command's own line, where it failed.
    """
    folder = trial_folder(sweep_folder, settings)
    spec = folder.with_suffix(".toml")
    write_if_changed(spec, dump_spec(spec_of(plan, settings)).encode())
    command = [sys.executable, "-m", "pipeline", plan.until, str(spec)]
    command += ["--output-dir", str(folder), "--quiet"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise PipelineError(lines[-1].removeprefix("Error: "))
    result = training_result(json.loads((folder / HISTORY).read_text()))
    if plan.until == "run":
        result |= _report_result(json.loads((folder / "report.json").read_text()))
    return result


def training_result(history: Mapping[str, Any]) -> dict[str, Any]:
    """What a sweep tells of a history.json."""
    epochs, curve = history["epochs"], history["curve"]
    points = [[p["update"], p["train_accuracy"], p["test_accuracy"]] for p in curve]
    trained = points[-1][1] if points else (epochs[-1]["accuracy"] if epochs else None)
    return {
        "parameters": history["parameters"],
        "accuracy": history["accuracy"],
        "train_accuracy": trained,
        "epochs": len(epochs),
        "curve": points
        or [[epoch["epoch"], epoch["accuracy"], epoch["test_accuracy"]] for epoch in epochs],
        "curve_unit": "update" if points else "epoch",
    }


def _report_result(report: Mapping[str, Any]) -> dict[str, Any]:
    accuracy, instructions = report["accuracy"], report["instructions_per_inference"]
    return {
        "accuracy_int8": None if accuracy is None else accuracy["int8_host"],
        "accuracy_on_device": None if accuracy is None else accuracy["on_device"],
        "instructions": None if instructions is None else instructions["median"],
        **{name: report[name] for name in ("flash_bytes", "ram_bytes", "arena_bytes")},
    }
