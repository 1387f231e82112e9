"""The instrument where its tools are missing, and what becomes of what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import emulation
from pipeline.boards import board
from pipeline.emulation import Execution


def test_without_a_compiler_there_is_no_instrument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    nano = board("nano33ble_sim")
    assert emulation.count_execution(nano, tmp_path / "firmware.elf", "", b"") is None


def test_a_board_without_an_estimate_is_not_instrumented(tmp_path: Path) -> None:
    assert emulation.count_execution(board("host"), tmp_path / "firmware.elf", "", b"") is None


def test_steps_lie_between_the_readings_of_the_counter() -> None:
    # Inference 100 to 160; steps from 1000 to 1010 and, after 5 in between, from 1015 to 1045.
    readings = (100, 160, 1000, 1010, 1015, 1045, 1050)
    marks = "".join(f"{r} {2 * r}\n" for r in readings)
    assert emulation._execution(marks, 2) == Execution(60, 120, (10, 30), (20, 60))


def test_estimated_milliseconds_follow_the_calibration_of_the_board() -> None:
    nano = board("nano33ble_sim")
    assert nano.estimated_ms(640_000) == pytest.approx(12.0)  # cycles / 64,000 x 1.2
    assert nano.estimated_ms(None) is None
    assert board("host").estimated_ms(640_000) is None
