"""What a sweep found: sweep.json, sweep.md and sweep.html."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.codegen.templates import render_template
from pipeline.report.charts import LineChart, line_chart
from pipeline.report.scatter import Scatter
from pipeline.store import write_if_changed
from pipeline.sweep.axes import Settings
from pipeline.sweep.gain import HEADINGS, Gain, Trial, cells, gain_scatters, gains, grouped
from pipeline.sweep.gain import RULE as GAIN_RULE
from pipeline.sweep.plan import SweepPlan, label
from pipeline.sweep.study import Outcome, settled
from pipeline.sweep.verdict import RULE, verdict

_PAGES: tuple[Literal["sweep.md", "sweep.html"], ...] = ("sweep.md", "sweep.html")
_COSTS = ("accuracy_int8", "accuracy_on_device", "instructions", "flash_bytes", "ram_bytes")


@dataclass(frozen=True)
class Row:
    """One setting in the table; `cells` are in the order of `SweepTable.columns`."""

    settings: Settings
    cells: tuple[str, ...]
    verdict: str
    chart: LineChart | None


@dataclass(frozen=True)
class SweepTable:
    """The table, with a chart for every row that has curves.

    Attributes:
        gains: what each place on the last axis gained; empty without axes.
        scatters: accuracy against costs, two for every group of `gains`.
    """

    name: str
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    rows: tuple[Row, ...]
    done: int
    failed: int
    open: int
    gains: tuple[Gain, ...] = ()
    scatters: tuple[Scatter, ...] = ()


def sweep_table(plan: SweepPlan, outcomes: Sequence[Outcome]) -> SweepTable:
    """Settings in columns of their own, then what came of them."""
    shown = _shown_settings(plan, outcomes)
    fields = list(dict.fromkeys(field for settings in shown for field in settings))
    best = _best_training(outcomes)
    costs = [c for c in _COSTS if any((o.result or {}).get(c) is not None for o in outcomes)]
    rows = []
    for outcome, settings in zip(outcomes, shown, strict=True):
        result = outcome.result or {}
        found = verdict(outcome.result, outcome.error, best.get(_model(outcome), 0.0))
        told = found or _state(outcome)
        values = [result.get("train_accuracy"), result.get("accuracy")]
        row = [_setting(settings.get(field)) for field in fields]
        row += [*map(_percent, values)]
        row += [_percent(result.get(c)) if "acc" in c else _count(result.get(c)) for c in costs]
        chart = None if plan.axes else _chart(outcome)
        rows.append(Row(outcome.settings, (*row, told), told, chart))
    columns = (
        *(_heading(field) for field in fields),
        "train",
        "test",
        *(cost.replace("_", " ") for cost in costs),
        "verdict",
    )
    numbers = tuple(range(len(fields), len(columns) - 1))
    gained = () if plan.axes is None else tuple(gains(trials_of(plan, outcomes), plan.axes.against))
    return SweepTable(
        plan.name,
        columns,
        numbers,
        tuple(rows),
        *settled(outcomes),
        gains=gained,
        scatters=tuple(gain_scatters(gained)),
    )


def trials_of(plan: SweepPlan, outcomes: Sequence[Outcome]) -> list[Trial]:
    """The outcomes of a sweep that has axes."""
    assert plan.axes is not None
    return [
        Trial(place, plan.axes.repetition(outcome.settings), outcome.result, outcome.error)
        for place, outcome in zip(plan.axes.places, outcomes, strict=True)
    ]


def _shown_settings(plan: SweepPlan, outcomes: Sequence[Outcome]) -> list[Settings]:
    """Columns of the table: fields of the spec, or places on the axes and the repetition."""
    if plan.axes is None:
        return [outcome.settings for outcome in outcomes]
    return [{**trial.places, **trial.repetition} for trial in trials_of(plan, outcomes)]


def write_pages(plan: SweepPlan, outcomes: Sequence[Outcome], folder: Path) -> SweepTable:
    """Writes the three files, each whole."""
    table = sweep_table(plan, outcomes)
    rows = [
        {
            **({} if plan.axes is None else {"places": plan.axes.places[number]}),
            "settings": dict(outcome.settings),
            "verdict": row.verdict,
            "result": outcome.result,
            "error": outcome.error,
        }
        for number, (outcome, row) in enumerate(zip(outcomes, table.rows, strict=True))
    ]
    values = {"name": plan.name, "rule": RULE, "trials": rows}
    if plan.axes is not None:
        values |= {"gain_rule": GAIN_RULE, "gains": [asdict(gain) for gain in table.gains]}
    text = json.dumps(values, indent=1)
    write_if_changed(folder / "sweep.json", (text + "\n").encode())
    for name in _PAGES:
        write_if_changed(folder / name, render_page(name, table).encode())
    if table.scatters:
        drawing = render_template("sweep.svg.j2", charts=table.scatters)
        write_if_changed(folder / "sweep.svg", drawing.encode())
    return table


def render_page(name: Literal["sweep.md", "sweep.html"], table: SweepTable) -> str:
    """The text of the page of that name."""
    return render_template(
        f"{name}.j2",
        table=table,
        rule=RULE,
        gain_rule=GAIN_RULE,
        gain_columns=HEADINGS,
        gain_cells=cells,
        groups=grouped(table.gains),
    )


def _state(outcome: Outcome) -> str:
    """What stands in a verdict's place where there is none."""
    if outcome.error is not None:
        return f"failed: {outcome.error}"
    return "open" if outcome.result is None else "-"


def _model(outcome: Outcome) -> str:
    return str(outcome.settings.get("model.name", ""))


def _best_training(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Model -> best final training accuracy."""
    best: dict[str, float] = {}
    for outcome in outcomes:
        trained = (outcome.result or {}).get("train_accuracy")
        if trained is not None:
            best[_model(outcome)] = max(best.get(_model(outcome), 0.0), trained)
    return best


def _chart(outcome: Outcome) -> LineChart | None:
    curve = (outcome.result or {}).get("curve")
    if not curve:
        return None
    series = {
        "training": [(point[0], point[1]) for point in curve],
        "test": [(point[0], point[2]) for point in curve],
    }
    unit = (outcome.result or {})["curve_unit"]
    return line_chart(label(outcome.settings), series, x_title=unit)


def _heading(field: str) -> str:
    """The last part of training.learning_rate as words; of model.name the first."""
    table, _, key = field.rpartition(".")
    return (table if key == "name" else key).replace("_", " ")


def _setting(value: Any) -> str:
    return "-" if value is None else (f"{value:g}" if isinstance(value, float) else str(value))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"
