"""`compare`: what stands beside what, and what is said of a run that has no report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import reports
from command import run
from pipeline.report.model import Report, Spread


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
