"""One model through the command line of the pipeline -> one row of the benchmark table."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_IN_FLASH = (".vectors", ".text", ".rodata", ".data")


class MeasurementError(Exception):
    """A command of the pipeline failed."""


@dataclass(frozen=True)
class Result:
    """What one model costs on one board; None where the board cannot tell.

    Attributes:
        macs: multiply-accumulates of one inference.
        instructions: of one inference, emulated.
        estimated_cycles: of one inference, by a model of the core (docs/benchmarks.md).
        arena_bytes: activations, inputs, outputs and scratch.
        code_bytes: machine code of runtime, kernels and generated model.
        const_bytes: read-only data of the same.
        flash_sections: whole image, section -> bytes.
        generate_s: processor time of `mcu-pipeline generate`, start of Python included, in seconds:
            wall time on an idle machine, and the same on a busy one.
        identical: every output byte was TFLM's.
    """

    model: str
    board: str
    runtime: str
    optimize: str
    macs: int
    instructions: int | None
    estimated_cycles: int | None
    arena_bytes: int
    code_bytes: int
    const_bytes: int
    flash_sections: Mapping[str, int]
    generate_s: float
    identical: bool

    @property
    def flash_bytes(self) -> int:
        """Code and constants of model and runtime, without port and C library."""
        return self.code_bytes + self.const_bytes


def measure(
    model: str, tflite: Path, folder: Path, *, board: str, runtime: str, optimize: str
) -> Result:
    """Generates, builds, runs and checks a model.

    Args:
        model: its name in the table.
        folder: where run folders are kept; what has not changed is not built again.

    Raises:
        MeasurementError: a command failed otherwise than by different outputs.
    """
    run = folder / f"{model}-{board}-{runtime}-{optimize}"
    options = ["--board", board, "--runtime", runtime, "--output-dir", str(run), "--quiet"]
    options += ["--optimize", optimize] if runtime == "aot" else []
    before = _children_s()
    _pipeline("generate", str(tflite), *options, "--force")
    generate_s = _children_s() - before
    report = json.loads(_pipeline("benchmark", str(tflite), *options, "--json", may_differ=True))
    spread = report["instructions_per_inference"]
    stages = json.loads((run / "manifest.json").read_text(encoding="utf-8"))["stages"]
    return Result(
        model=model,
        board=board,
        runtime=runtime,
        optimize=optimize,
        macs=sum(row["macs"] or 0 for row in report["per_op"]),
        instructions=None if spread is None else spread["median"],
        estimated_cycles=report["estimated_cycles"],
        arena_bytes=report["arena_bytes"],
        code_bytes=report["code_bytes"],
        const_bytes=report["const_bytes"],
        flash_sections=_flash_sections(stages["build"]["result"]),
        generate_s=round(generate_s, 2),
        identical=report["golden"]["identical"],
    )


def _children_s() -> float:
    """Processor time of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _pipeline(*arguments: str, may_differ: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments], capture_output=True, text=True
    )
    differs = may_differ and done.returncode != 0 and done.stdout.startswith("{")
    if done.returncode != 0 and not differs:
        raise MeasurementError(done.stderr.strip() or f"exit code {done.returncode}")
    return done.stdout


def _flash_sections(build: Mapping[str, Any]) -> dict[str, int]:
    return {
        section["name"]: section["size_bytes"]
        for section in build["sections"]
        if section["in_flash"] and section["name"] in _IN_FLASH
    }
