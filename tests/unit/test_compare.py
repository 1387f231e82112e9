"""`compare`: what stands beside what, and what is said of a run that has no report."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reports
from command import run
from pipeline.report.model import Report, Spread
from pipeline.report.scatter import Run, pareto_front, scatter


def write(folder: Path, report: Report) -> Path:
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(report.to_json()))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    first, _ = reports.emulated_run()
    half = Spread(first.instructions_per_inference.median // 2, 1, 2, 30)
    second = replace(first, model="other", instructions_per_inference=half, flash_bytes=15068 * 3)
    own, _ = reports.own_model_on_host()
    reported = {"first": first, "second": second, "own": own}
    return [write(tmp_path / name, report) for name, report in reported.items()]


def test_costs_stand_beside_the_first_runs(runs, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, tmp_path, "compare", *runs) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    heading, _, first, second, own = ([c.strip() for c in line if c.strip()] for line in lines[1:6])
    assert heading[:4] == ["model", "board", "runtime", "kind"]
    assert (first[heading.index("instructions")], first[heading.index("flash")]) == (
        "1,112,015",
        "15,068",
    )
    assert second[heading.index("instructions")] == "556,007 (0.50x)"
    assert second[heading.index("flash")] == "45,204 (3.00x)"
    assert second[heading.index("RAM")] == "10,236"
    assert own[heading.index("golden")] == own[heading.index("RAM")] == "-"
    assert own[heading.index("latency us")] == "1.2"


def test_json_has_numbers_and_null_for_the_unknown(runs, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, tmp_path, "compare", "--json", runs[0], runs[2] / "report.json") == 0
    first, own = json.loads(capsys.readouterr().out)
    assert first["instructions_per_inference"] == 1112015
    assert first["accuracy_on_device"] == 0.959
    assert set(first["relative_to_first"].values()) == {1.0, None}
    assert own["flash_bytes"] is None
    assert own["relative_to_first"]["flash_bytes"] is None


def test_runs_of_one_model_are_told_apart_by_their_folders(runs, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, tmp_path, "compare", "first", "first") == 0
    assert capsys.readouterr().out.split()[0] == "run"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no report.json; make it with: mcu-pipeline report"),
        ("{", "no report: Expecting property name"),
        ('{"a": 1}', "names no model, board and runtime"),
    ],
)
def test_a_run_without_a_report_is_refused(content, message, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "empty"
    folder.mkdir()
    if content is not None:
        (folder / "report.json").write_text(content)
    assert run(monkeypatch, tmp_path, "compare", folder) == 1
    shown = capsys.readouterr().err
    assert message in shown.replace("\n", " ")
    assert len(shown.splitlines()) == 1


RUNS = st.lists(
    st.tuples(st.integers(1, 9), st.sampled_from([0.5, 0.75, 0.9, 0.95, 1.0])), min_size=1
)


@given(RUNS)
def test_the_front_is_what_sorting_by_cost_finds(values: list[tuple[int, float]]) -> None:
    drawn = [Run(n, "", cost, accuracy) for n, (cost, accuracy) in enumerate(values, 1)]
    best, reached = set(), 0.0
    for cost in sorted({cost for cost, _ in values}):
        most = max(accuracy for other, accuracy in values if other == cost)
        if most > reached:
            best |= {n for n, value in enumerate(values, 1) if value == (cost, most)}
            reached = most
    assert pareto_front(drawn) == best


def test_points_stand_in_the_order_of_their_values_and_labels_on_nothing(tmp_path) -> None:
    costs = [9_000, 30_000, 31_000, 160_000, 590_000]
    drawn = [Run(n, "m", cost, 0.9 + n / 100) for n, cost in enumerate(costs, 1)]
    chart = scatter("t", "instructions", drawn)
    assert [tick.label for tick in chart.x_ticks] == [
        *("10 k", "20 k", "50 k", "100 k", "200 k", "500 k")
    ]
    ten, hundred = (t.at for t in chart.x_ticks if t.label in ("10 k", "100 k"))
    twenty, two_hundred = (t.at for t in chart.x_ticks if t.label in ("20 k", "200 k"))
    assert two_hundred - hundred == pytest.approx(twenty - ten, abs=0.2)  # logarithmic
    assert [m.x for m in chart.marks] == sorted(m.x for m in chart.marks)
    assert [m.y for m in chart.marks] == sorted((m.y for m in chart.marks), reverse=True)
    assert all(mark.on_front for mark in chart.marks)
    for mark in chart.marks:
        for other in chart.marks:
            assert (mark.label_x, mark.label_y) == (other.label_x, other.label_y) or max(
                abs(mark.label_x - other.label_x), abs(mark.label_y - other.label_y)
            ) > 6


def test_accuracies_of_different_data_sets_do_not_compete(runs, tmp_path, monkeypatch, capsys):
    better = json.loads((runs[0] / "report.json").read_text())
    better["accuracy"]["int8_host"] = 0.99
    other = {**better, "dataset": "mnist", "flash_bytes": 1}
    for name, report in {"better": better, "other": other}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
    names = ("first", "second", "own", "better.json", "other.json")
    assert run(monkeypatch, tmp_path, "compare", "--json", *names) == 0
    fronts = [row["pareto"] for row in json.loads(capsys.readouterr().out)]
    assert [front["flash_bytes"] for front in fronts] == [False, False, None, True, True]
    # Half the instructions at less accuracy is on the front.
    assert [f["instructions_per_inference"] for f in fronts[:2]] == [False, True]


def test_markdown_csv_and_html_have_the_same_figures(runs, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, tmp_path, "compare", "--csv", *runs) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["instructions_per_inference"] for row in rows] == ["1112015", "556007", ""]
    assert [row["relative_flash_bytes"] for row in rows] == ["1.0", "3.0", ""]
    assert [row["pareto_flash_bytes"] for row in rows] == ["True", "False", ""]
    assert run(monkeypatch, tmp_path, "compare", "--markdown", *runs, "--html", "page.html") == 0
    heading, rule, *lines = capsys.readouterr().out.splitlines()
    assert {line.count("|") for line in (heading, rule, *lines)} == {heading.count("|")}
    assert "| 556,007 (0.50x) |" in lines[1]
    page = (tmp_path / "page.html").read_text()
    assert '<td class="number">556,007 (0.50x)</td>' in page
    assert page.count('<svg class="scatter"') == 3
    assert page.count('class="best"') == 4  # both by instructions; RAM is the same
