"""The committed results file: reading, writing, comparing."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Result

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results.json"
BASELINE = FOLDER / "baseline.json"

QUANTITIES = ("instructions", "estimated_cycles", "arena_bytes", "code_bytes", "flash_bytes")


def read_results(path: Path) -> list[Result]:
    """Raises OSError or ValueError where the file cannot be read."""
    return [Result(**row) for row in json.loads(path.read_text(encoding="utf-8"))["results"]]


def write_results(path: Path, results: Iterable[Result], versions: Mapping[str, str]) -> None:
    """One model a line, so that differences are readable."""
    rows = ",\n".join("    " + json.dumps(dataclasses.asdict(row)) for row in results)
    path.write_text(
        f'{{\n  "made_with": {json.dumps(dict(versions))},\n  "results": [\n{rows}\n  ]\n}}\n',
        encoding="utf-8",
    )


def read_baseline(board: str) -> Mapping[str, Mapping[str, Any]]:
    """Model -> TFLM's figures on this board; empty where there are none."""
    boards: Mapping[str, Any] = json.loads(BASELINE.read_text(encoding="utf-8"))["boards"]
    models: Mapping[str, Mapping[str, Any]] = boards.get(board, {}).get("models", {})
    return models


def differences(new: Iterable[Result], old: Iterable[Result]) -> list[str]:
    """One line for every quantity that changed, "resnet8 instructions 100 -> 90 (-10.0 %)"."""
    known = {_key(row): row for row in old}
    lines = []
    for row in new:
        before = known.get(_key(row))
        if before is None:
            lines.append(f"{' '.join(_key(row))}: new")
            continue
        lines += [
            f"{' '.join(_key(row))}: {name} {_text(was)} -> {_text(now)}{_share(was, now)}"
            for name in QUANTITIES
            if (was := getattr(before, name)) != (now := getattr(row, name))
        ]
    return lines


def ratio_means(results: Sequence[Result]) -> dict[str, float]:
    """Geometric mean of TFLM's figure / ours for every quantity known on both sides."""
    means = {}
    for name in QUANTITIES:
        ratios = [r for row in results if (r := ratio(row, name)) is not None]
        if ratios:
            means[name] = math.exp(math.fsum(map(math.log, ratios)) / len(ratios))
    return means


def ratio(row: Result, quantity: str) -> float | None:
    """TFLM's figure / ours; None where either is unknown."""
    theirs, ours = read_baseline(row.board).get(row.model, {}).get(quantity), getattr(row, quantity)
    return None if theirs is None or not ours else theirs / ours


def table(
    results: Sequence[Result], cell: Callable[[Result, str], str]
) -> tuple[list[str], list[list[str]]]:
    """Column titles and rows; the last row holds the geometric means."""
    columns = ["model", "M instructions", "M cycles", "arena B", "code B", "flash B"]
    rows = [[row.model, *(cell(row, name) for name in QUANTITIES)] for row in results]
    means = ratio_means(results)
    last = [f"{means[name]:.2f}x" if name in means else "-" for name in QUANTITIES]
    return columns, [*rows, ["TFLM / aot, geometric mean", *last]]


def against_tflm(row: Result, quantity: str) -> str:
    """ "TFLM's -> ours", in millions for counts."""
    theirs = read_baseline(row.board).get(row.model, {}).get(quantity)
    ours = getattr(row, quantity)
    return f"{_cell(quantity, theirs)} -> {_cell(quantity, ours)}"


def short(quantity: str, value: float) -> str:
    """Millions for counts, kB (1000 bytes) for sizes."""
    return f"{value / (1e6 if quantity in QUANTITIES[:2] else 1e3):.3g}"


def _cell(quantity: str, value: float | None) -> str:
    if value is None:
        return "-"
    return short(quantity, value) if quantity in QUANTITIES[:2] else f"{value:,}"


def _key(row: Result) -> tuple[str, str, str, str]:
    return row.model, row.board, row.runtime, row.optimize


def _text(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _share(was: int | None, now: int | None) -> str:
    return f" ({100 * (now - was) / was:+.1f} %)" if was and now is not None else ""
