"""A search as it grows: search.json and search.html."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.boards import Board
from pipeline.codegen.templates import render_template
from pipeline.report.scatter import Run, Scatter, scatter
from pipeline.search.budget import Budget, Metric, told
from pipeline.search.macs import MacComparison, compare_macs
from pipeline.search.record import step_json
from pipeline.search.shrink import Step
from pipeline.search.trials import Saved
from pipeline.store import RunFolder, json_text

JSON, HTML = "search.json", "search.html"
RUN_COLUMNS = (
    *("run", "held out", "float test", "int8 test", "on device", "instructions", "estimated ms"),
    *("flash", "RAM"),
)
_AXES: Mapping[Metric, str] = {
    "instructions": "instructions",
    "latency_ms": "estimated ms",
    "ram_bytes": "bytes of RAM",
    "flash_bytes": "bytes of flash",
}


@dataclass(frozen=True)
class SearchState:
    """What a search has found so far.

    Attributes:
        steps: with the starting network, number 0.
        runs: results of `pipeline.search.candidates.run_candidate`.
    """

    name: str
    board: Board
    budget: Budget
    steps: tuple[Step[Saved], ...]
    runs: tuple[Mapping[str, Any], ...] = ()

    @property
    def metric(self) -> Metric:
        """What the trade-off curve is over."""
        return next(iter(self.budget.limits))

    @property
    def macs(self) -> MacComparison:
        """What multiply-accumulates would have said."""
        return compare_macs(self.steps)


def write_pages(state: SearchState, folder: RunFolder) -> None:
    """Writes both files, each whole."""
    folder.write(JSON, json_text(search_json(state)))
    folder.write(HTML, _html(state))


def search_json(state: SearchState) -> dict[str, Any]:
    """Plain values for json.dumps."""
    macs = state.macs
    return {
        "name": state.name,
        "board": state.board.id,
        "budget": dataclasses.asdict(state.budget),
        "latency": "estimated" if state.budget.latency_ms is not None else None,
        "steps": [
            {**step_json(step), "table_error_percent": table_error_percent(step)}
            for step in state.steps
        ],
        "macs": {
            **dataclasses.asdict(macs),
            "worst": macs.worst and {**_plain(macs.worst), "factor": macs.worst.factor},
        },
        "runs": [dict(run) for run in state.runs],
    }


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(value)))
    return plain


def table_error_percent(step: Step[Saved]) -> float | None:
    """By how much the table's instructions were above those of the trained network, measured."""
    if not step.proposals:
        return None
    looked_up = step.proposals[step.winner].cost.instructions
    return round(100 * (looked_up / step.cost.instructions - 1), 3)


def run_cells(run: Mapping[str, Any]) -> list[str]:
    """A row of RUN_COLUMNS."""
    milliseconds = run["estimated_ms"]
    return [
        f"step {run['step']}",
        *(f"{100 * run[key]:.2f} %" for key in ("held_out", "float_test", "int8_test")),
        f"{100 * run['on_device']:.2f} % of {run['samples_on_device']:,}",
        f"{run['instructions']:,}",
        "-" if milliseconds is None else f"{milliseconds:.3f}",
        f"{run['flash_bytes']:,}",
        f"{run['ram_bytes']:,}",
    ]


def step_cells(step: Step[Saved]) -> list[str]:
    """A row of the table of steps."""
    error = table_error_percent(step)
    latency = step.cost.latency_ms
    return [
        str(step.number),
        str(step.proposals[step.winner].cut) if step.proposals else "the starting network",
        f"{100 * step.accuracy:.2f} %",
        f"{step.cost.instructions:,}",
        "-" if latency is None else f"{latency:.3f}",
        "-" if step.cost.macs is None else f"{step.cost.macs:,}",
        f"{step.cost.flash_bytes:,}",
        f"{step.cost.ram_bytes:,}",
        "-" if error is None else f"{error:+.2f} %",
    ]


STEP_COLUMNS = (
    *("step", "cut", "held out", "instructions", "estimated ms", "MACs", "flash", "RAM"),
    "table off by",
)


def mac_lines(macs: MacComparison) -> list[str]:
    """How far multiply-accumulates would have misled, in words."""
    if macs.rank_correlation is None:
        return []
    lines = [
        f"Saved MACs and saved instructions of {macs.proposals} proposals: rank correlation "
        f"{macs.rank_correlation:.3f}; MACs order {macs.inverted} of {macs.pairs} pairs of one "
        "step's proposals the other way round."
    ]
    if macs.worst is not None:
        fewer, more = macs.worst.fewer, macs.worst.more
        lines.append(
            f"Worst, in step {macs.worst.step}: {fewer.cut} has {fewer.cost.macs:,} MACs and takes "
            f"{fewer.cost.instructions:,} instructions, {more.cut} has {more.cost.macs:,} and "
            f"takes {more.cost.instructions:,}."
        )
    return lines


def _html(state: SearchState) -> str:
    curve = [
        Run(step.number, step_cells(step)[1], step.cost.of(state.metric), step.accuracy)
        for step in state.steps
    ]
    limits = [told(metric, limit) for metric, limit in state.budget.limits.items()]
    return render_template(
        "search.html.j2",
        state=state,
        limits=limits,
        curve=scatter("Held-out accuracy after each step", _AXES[state.metric], curve),
        step_columns=STEP_COLUMNS,
        steps=[step_cells(step) for step in state.steps],
        run_columns=RUN_COLUMNS,
        runs=[run_cells(run) for run in state.runs],
        chart=_run_chart(state.runs) if state.runs else None,
        macs=mac_lines(state.macs),
        estimate=state.board.estimate,
    )


def _run_chart(runs: Sequence[Mapping[str, Any]]) -> Scatter:
    """int8 accuracy on the test split over instructions, of the runs."""
    places = [
        Run(run["step"], f"step {run['step']}", run["instructions"], run["int8_test"])
        for run in runs
    ]
    return scatter("Runs, int8 on the test split", "instructions", places)
