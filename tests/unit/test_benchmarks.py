"""Benchmarks: the networks are the published ones, and the page shows the committed results."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks import layers, page, study
from benchmarks.measure import Result
from benchmarks.models import MODELS
from benchmarks.results import (
    RESULTS,
    differences,
    ratio,
    read_baseline,
    read_results,
    write_results,
)
from pipeline.analysis.analyze import analyze
from pipeline.tflite_reader import read_tflite

# Multiply-accumulates of the layers as published: LeNet-5 and MLPerf Tiny v1's three networks.
MACS = {
    "lenet5": 416_520,
    "ds_cnn_kws": 2_656_768,
    "mobilenet_v1": 7_489_664,
    "resnet8": 12_501_632,
}


@pytest.fixture
def results() -> list[Result]:
    return read_results(RESULTS)


@pytest.mark.parametrize("name", MODELS)
def test_networks_are_the_same_every_time(name: str) -> None:
    model = MODELS[name]()
    assert model == MODELS[name]()
    if name in MACS:
        assert analyze(read_tflite(model)).macs == MACS[name]


def test_every_row_of_the_baseline_has_a_network_and_every_network_a_result(
    results: list[Result],
) -> None:
    assert list(read_baseline("nano33ble_sim")) == list(MODELS)
    shown = page.shown_results(results)
    assert [row.model for row in shown] == list(MODELS)
    assert all(row.identical for row in shown)


def test_every_layer_has_a_result_and_a_baseline_and_meets_the_targets() -> None:
    rows = {(row.board, row.layer): row for row in layers.read_layers()}
    assert set(rows) == {(board, layer) for board in layers.BOARDS for layer in layers.LAYERS}
    assert all(row.identical for row in rows.values())
    for board in layers.BOARDS:
        assert list(layers.read_esp_nn(board)) == list(layers.LAYERS)
    for board, convolution, depthwise in (("esp32c3_sim", 3.3, 5), ("esp32_sim", 3.9, 7)):
        for layer in ("1x1, 32 channels to 32", "3x3, 16 channels to 16"):
            assert rows[board, layer].aot <= convolution * rows[board, layer].macs
        layer = "depthwise 3x3, 64 channels"
        assert rows[board, layer].aot <= depthwise * rows[board, layer].macs


def test_page_and_chart_are_those_of_the_committed_results(tmp_path: Path) -> None:
    copies, drawing = (
        [tmp_path / committed.name for committed in page.PAGES],
        tmp_path / "chart.svg",
    )
    for committed, copy in zip(page.PAGES, copies, strict=True):
        content = committed.read_text()
        for name in page.sections():
            content = page.with_table(content, name, "stale")
        copy.write_text(content)
    page.main(copies, drawing)
    for committed, copy in zip(page.PAGES, copies, strict=True):
        assert copy.read_text() == committed.read_text(), "run: python -m benchmarks.page"
    assert drawing.read_text() == page.CHART.read_text(), "run: python -m benchmarks.page"


def test_differences_name_what_changed_and_by_how_much(results: list[Result]) -> None:
    row = dataclasses.replace(results[0], instructions=200, generate_s=1.0)
    slower = dataclasses.replace(row, instructions=250, generate_s=2.0)
    (line,) = differences([slower], [row])
    assert line.endswith("instructions 200 -> 250 (+25.0 %)")
    unknown = dataclasses.replace(row, instructions=None)
    (line,) = differences([unknown], [row])
    assert line.endswith("instructions 200 -> unknown")
    assert differences([row], []) == [f"{row.model} {row.board} aot {row.optimize}: new"]


def test_a_ratio_needs_both_figures(results: list[Result]) -> None:
    row = next(r for r in page.shown_results(results) if r.model == "lenet5")
    half = read_baseline(row.board)["lenet5"]["instructions"] / 2
    assert ratio(dataclasses.replace(row, instructions=half), "instructions") == 2.0
    assert ratio(dataclasses.replace(row, instructions=None), "instructions") is None
    assert ratio(dataclasses.replace(row, model="unknown"), "instructions") is None


def test_results_file_reads_back(results: list[Result], tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(path, results, {"gcc": "12"})
    assert read_results(path) == results


def test_the_study_s_page_and_drawing_are_those_of_its_committed_results(tmp_path: Path) -> None:
    values = study.read_results()
    content = study.PAGE.read_text()
    for name in study.sections(values):
        assert f"<!-- {name}: begin -->" in content, name
        content = page.with_table(content, name, "stale")
    (tmp_path / "page.md").write_text(content)
    study.write_page(values, tmp_path / "page.md", tmp_path / "study.svg")
    told = "run: python -m benchmarks.study"
    assert (tmp_path / "page.md").read_text() == study.PAGE.read_text(), told
    assert (tmp_path / "study.svg").read_text() == study.DRAWING.read_text(), told


def test_the_study_s_results_are_of_its_plan_and_checked_against_tflm() -> None:
    from pipeline.sweep.plan import read_plan

    values, plan = study.read_results(), read_plan(study.PLAN)
    assert plan.axes is not None
    assert [trial["places"] for trial in values["trials"]] == list(plan.axes.places)
    assert values["against"] == plan.axes.against
    results = [trial["result"] for trial in values["trials"] if trial["result"] is not None]
    on_board = [result for result in results if result["instructions"] is not None]
    assert all(result["golden_identical"] for result in on_board)
    assert {gain.group for gain in study.study_gains(values) if gain.done} == set(values["bits"])
    for found in values["bits"].values():
        assert found["agreement"] >= 0.995
        assert abs(found["both"]["8"] - found["deployed_accuracy"]) <= 0.001
