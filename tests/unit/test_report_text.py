"""What the summary says of accuracy and clocks."""

from __future__ import annotations

from dataclasses import replace

import pytest

import reports
from pipeline.report.html import render_html
from pipeline.report.model import ClockCheck, EstimateBasis, Spread
from pipeline.report.text import render_markdown, summary_rows
from pipeline.terminal import time_left

BOARD_RUN = replace(
    reports.emulated_run()[0],
    kind="measured",
    instructions_per_inference=None,
    latency_us=Spread(4120.5, 4119.0, 4200.25, 243, 4180.0),
    clocks=ClockCheck(1.42, 0.002, 0.31, 0.4, True),
)


def test_the_devices_accuracy_has_its_interval_everywhere() -> None:
    report = replace(
        BOARD_RUN, accuracy=replace(BOARD_RUN.accuracy, on_device_interval=(0.9449, 0.9696))
    )
    text = "95.90 % of 1,000 images (95 % interval 94.49 to 96.96 %)"
    assert dict(summary_rows(report))["accuracy, on the device"] == text
    assert text in render_markdown(report)
    assert "95 % interval 94.49 to 96.96 %" in render_html(report, reports.emulated_run()[1])
    assert report.to_json()["accuracy"]["on_device_interval"] == (0.9449, 0.9696)


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (
            ClockCheck(1.42, 0.002, 0.31, 0.4, True),
            "within 1 % over 1.42 s: the board's second +0.002 %, this computer's +0.31 +-0.40 %",
        ),
        (
            ClockCheck(10.0, None, -35.0, 0.01, False),
            "MORE THAN 1 % APART over 10.00 s: this computer's -35.00 +-0.01 %",
        ),
        (ClockCheck(1.0, None, None, None, True), None),
        (None, None),
    ],
)
def test_clocks_have_a_line_where_there_are_two(check: ClockCheck | None, line: str | None) -> None:
    report = replace(BOARD_RUN, clocks=check)
    assert dict(summary_rows(report)).get("clocks over the timed runs") == line
    assert line is None or line in render_markdown(report)
    assert (report.to_json()["clocks"] is None) == (check is None)
    assert "None" not in (line or "")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s left"), (119, "119 s left"), (150, "2 min left")]
)
def test_a_long_wait_is_told_in_minutes(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


def test_an_estimate_says_what_its_cycles_are_and_what_it_rests_on() -> None:
    basis = EstimateBasis(40, "from another core", "with flash", 1234)
    report, details = reports.emulated_run()
    report = replace(report, estimated_cycles=2_400_000, estimated_ms=10.0, estimate=basis)
    rows = dict(summary_rows(report))
    assert rows["cycles with flash (estimated)"] == "2,400,000"
    assert rows["flash lines missed (estimated)"] == "1,234"
    assert rows["latency on the real board (estimated)"] == "10.00 ms +-40 %"
    assert "The estimated latency: from another core." in render_markdown(report)
    assert "estimated, ±40 %: from another core" in render_html(report, details)
    assert report.to_json()["estimate"]["missed_lines"] == 1234
    alone = replace(report, estimate=EstimateBasis(15, "measurements", "at zero wait states"))
    assert "cycles at zero wait states (estimated)" in dict(summary_rows(alone))
    assert "flash lines missed (estimated)" not in dict(summary_rows(alone))
