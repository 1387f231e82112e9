"""A comparison as a page, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.codegen.templates import render_template
from pipeline.report.compare import COLUMNS, PARETO_COSTS, accuracies, data_sets, table
from pipeline.report.scatter import Run, Scatter, scatter

Rows = Sequence[Mapping[str, Any]]


def render_comparison_html(rows: Rows) -> str:
    """The text of the page: the table, and for every data set and cost a scatter."""
    columns, cells, numbers = table(rows)
    return render_template(
        "compare.html.j2",
        columns=columns,
        rows=cells,
        numbers=numbers,
        groups=[(data_set, _charts(rows, data_set)) for data_set in data_sets(rows)],
    )


def render_comparison_markdown(rows: Rows) -> str:
    """The table alone."""
    columns, cells, numbers = table(rows)
    rules = ["---:" if index in numbers else "---" for index in range(len(columns))]
    lines = [columns, rules, *([c.replace("|", "\\|") for c in row] for row in cells)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def render_comparison_csv(rows: Rows) -> str:
    """A line a run under a line of JSON's keys; costs also relative to the first run's, and whether
    the run is on the Pareto front. The unknown as nothing."""
    text = io.StringIO()
    costs = [column.key for column in COLUMNS if column.is_cost]
    keys = ["run", *(column.key for column in COLUMNS)]
    keys += [f"relative_{key}" for key in costs] + [f"pareto_{key}" for key in PARETO_COSTS]
    writer = csv.DictWriter(text, keys, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        relative = {f"relative_{key}": row["relative_to_first"][key] for key in costs}
        best = {f"pareto_{key}": row["pareto"][key] for key in PARETO_COSTS}
        writer.writerow({**row, **relative, **best})
    return text.getvalue()


def _charts(rows: Rows, data_set: str) -> list[Scatter]:
    where, accuracy_of = accuracies(rows, data_set)
    charts = []
    for key, title in PARETO_COSTS.items():
        runs = [
            Run(number, _name(row), row[key], accuracy_of[number])
            for number, row in enumerate(rows, 1)
            if number in accuracy_of and row[key]
        ]
        if len(runs) > 1:
            charts.append(scatter(f"Accuracy {where} against {title}", title, runs))
    return charts


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['model']} on {row['board']} ({row['runtime']})"
