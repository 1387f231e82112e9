"""Several runs' report.json side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.report.scatter import Run, pareto_front
from pipeline.report.text import error_text

REPORT_JSON = "report.json"
_UNKNOWN = "-"


@dataclass(frozen=True)
class Column:
    """One quantity of a run.

    Attributes:
        title: heading; `key` is its name in JSON.
        read: finds it in a report; None where it is not known.
        is_cost: a smaller value is better, and the ratio to the first run's says something.
    """

    title: str
    key: str
    read: Callable[[Mapping[str, Any]], Any]
    is_cost: bool = False


def _in(*path: str) -> Callable[[Mapping[str, Any]], Any]:
    """Follows keys; None where one is missing or has no value."""

    def read(report: Mapping[str, Any]) -> Any:
        value: Any = report
        for key in path:
            value = None if value is None else value.get(key)
        return value

    return read


COLUMNS = (
    Column("model", "model", _in("model")),
    Column("board", "board", _in("board")),
    Column("runtime", "runtime", _in("runtime")),
    Column("kind", "kind", _in("kind")),
    Column("data set", "dataset", _in("dataset")),
    Column("accuracy int8", "accuracy_int8_host", _in("accuracy", "int8_host")),
    Column("on device", "accuracy_on_device", _in("accuracy", "on_device")),
    Column(
        "squared error", "reconstruction_error_on_device", _in("reconstruction_error", "on_device")
    ),
    Column("golden", "golden_identical", _in("golden", "identical")),
    Column(
        "instructions",
        "instructions_per_inference",
        _in("instructions_per_inference", "median"),
        is_cost=True,
    ),
    Column("latency us", "latency_us", _in("latency_us", "median"), is_cost=True),
    Column("flash", "flash_bytes", _in("flash_bytes"), is_cost=True),
    Column("RAM", "ram_bytes", _in("ram_bytes"), is_cost=True),
    Column("arena", "arena_bytes", _in("arena_bytes"), is_cost=True),
    Column("code", "code_bytes", _in("code_bytes"), is_cost=True),
    Column("const", "const_bytes", _in("const_bytes"), is_cost=True),
)

PARETO_COSTS: Mapping[str, str] = {
    "instructions_per_inference": "instructions",
    "flash_bytes": "flash bytes",
    "ram_bytes": "RAM bytes",
}
"""What accuracy is held against."""


def read_report(run: Path) -> Mapping[str, Any]:
    """The report.json of a run folder, or that file itself.

    Raises:
        PipelineError: there is none, or it is no report.
    """
    path = run / REPORT_JSON if run.is_dir() else run
    try:
        report = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise PipelineError(
            f"{run}: there is no {REPORT_JSON}", f"make it with: mcu-pipeline report {run}"
        ) from None
    except (OSError, ValueError) as error:
        raise PipelineError(f"{path}: no report: {error}") from error
    if not isinstance(report, dict) or not {"model", "board", "runtime"} <= set(report):
        raise PipelineError(f"{path}: no report: it names no model, board and runtime")
    return report


def comparison(reports: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """For every run its values by `Column.key`, "relative_to_first" of its costs, and "pareto".

    The last tells for every one of `PARETO_COSTS` whether no other run of the same data set has as
    much accuracy at no more of this cost and is better in one of the two; None where accuracy or
    cost are not known.

    Args:
        reports: name of the run, and content of its report.json.
    """
    rows: list[dict[str, Any]] = []
    for run, report in reports:
        row: dict[str, Any] = {"run": run}
        row |= {column.key: column.read(report) for column in COLUMNS}
        first = rows[0] if rows else row
        row["relative_to_first"] = {
            column.key: _ratio(row[column.key], first[column.key])
            for column in COLUMNS
            if column.is_cost
        }
        rows.append(row)
    for row, best in zip(rows, _pareto(rows), strict=True):
        row["pareto"] = best
    return rows


def data_sets(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """In the order in which they occur; accuracies on different ones do not compare."""
    return list(dict.fromkeys(row["dataset"] for row in rows if row["dataset"] is not None))


def accuracies(rows: Sequence[Mapping[str, Any]], data_set: str) -> tuple[str, Mapping[int, float]]:
    """What accuracy the runs on a data set are compared by.

    Returns:
        "on the host" where all runs with any accuracy have the int8 model's over the whole test
        set, otherwise "on the device"; and the number of every run that has it, from 1 on, with it.
    """
    numbered = [(n, row) for n, row in enumerate(rows, 1) if row["dataset"] == data_set]
    host = {n: row["accuracy_int8_host"] for n, row in numbered}
    device = {n: row["accuracy_on_device"] for n, row in numbered}
    if all(host[n] is not None or device[n] is None for n, _ in numbered):
        return "on the host", {n: value for n, value in host.items() if value is not None}
    return "on the device", {n: value for n, value in device.items() if value is not None}


def _pareto(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, bool | None]]:
    found: list[dict[str, bool | None]] = [dict.fromkeys(PARETO_COSTS) for _ in rows]
    for data_set in data_sets(rows):
        _, accuracy_of = accuracies(rows, data_set)
        for key in PARETO_COSTS:
            runs = [
                Run(number, "", rows[number - 1][key], accuracy)
                for number, accuracy in accuracy_of.items()
                if rows[number - 1][key] is not None
            ]
            best = pareto_front(runs)
            for run in runs:
                found[run.number - 1][key] = run.number in best
    return found


def table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]], list[int]]:
    """Headings, cells, and which columns hold numbers; columns nobody knows are left out.

    A cost that is not the first run's has the ratio to it beside it: "120 (1.25x)". The runs'
    own names are shown where model, board and runtime do not tell them apart, data sets where they
    differ, and with several runs what of each is on a Pareto front.
    """
    shown = [column for column in COLUMNS if any(row[column.key] is not None for row in rows)]
    if len({row["dataset"] for row in rows}) == 1:
        shown = [column for column in shown if column.key != "dataset"]
    if len(rows) > 1 and any(any(row["pareto"].values()) for row in rows):
        shown.append(Column("Pareto front", "pareto", _in("pareto")))
    names = {(row["model"], row["board"], row["runtime"]) for row in rows}
    if len(names) < len(rows):
        shown.insert(0, Column("run", "run", _in("run")))
    cells = [[_cell(column, row) for column in shown] for row in rows]
    numbers = [
        index
        for index, column in enumerate(shown)
        if column.is_cost or "accuracy" in column.key or "error" in column.key
    ]
    return [column.title for column in shown], cells, numbers


def _ratio(value: float | None, first: float | None) -> float | None:
    return None if value is None or not first else round(value / first, 4)


def _cell(column: Column, row: Mapping[str, Any]) -> str:
    value = row[column.key]
    if value is None:
        return _UNKNOWN
    if column.key == "pareto":
        best = [PARETO_COSTS[key].split()[0] for key, is_best in value.items() if is_best]
        return ", ".join(best) or _UNKNOWN
    if column.key == "golden_identical":
        return "identical" if value else "DIFFERS"
    if "accuracy" in column.key:
        return f"{100 * value:.2f} %"
    if "error" in column.key:
        return error_text(value)
    if not column.is_cost:
        return str(value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    ratio = row["relative_to_first"][column.key]
    return text if ratio is None or round(ratio, 2) == 1 else f"{text} ({ratio:.2f}x)"
