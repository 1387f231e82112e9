"""The instrument where its tools are missing, and what becomes of what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import emulation
from pipeline.boards import CoreTimings, FlashCache, InstructionCosts, board
from pipeline.emulation import Execution

CACHE = FlashCache(size_bytes=32768, ways=2, line_bytes=32, cycles_per_miss=965)


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
    # Inferences 10 to 80 and 100 to 160; steps from 1000 to 1010 and, after 5 in between, from 1015
    # to 1045.
    readings = (10, 80, 100, 160, 1000, 1010, 1015, 1045, 1050)
    marks = "".join(f"{r} {2 * r} {3 * r}\n" for r in readings)
    timings, with_cache, without = (
        emulation._execution(marks, 2, method)
        for method in (
            CoreTimings("cortex-m4", 1.2),
            InstructionCosts(1.5, CACHE),
            InstructionCosts(1.5, None),
        )
    )
    assert timings == Execution(60, 120, None, (10, 30), (20, 60))
    # 1.5 x instructions + 965 x lines
    assert with_cache == Execution(60, 173_790, 180, (10, 30), (28_965, 86_895))
    assert without == Execution(60, 90, None, (10, 30), (15, 45))


def test_estimated_milliseconds_follow_the_calibration_of_the_board() -> None:
    nano = board("nano33ble_sim")
    assert nano.estimated_ms(640_000) == pytest.approx(12.0)  # cycles / 64,000 x 1.2
    assert nano.estimated_ms(None) is None
    # The formula of the ESP32 has all of its factors in the cycles.
    esp32 = board("esp32_sim")
    assert esp32.estimate is not None
    assert isinstance(esp32.estimate.method, InstructionCosts)
    assert esp32.estimate.method == InstructionCosts(1.18, CACHE)
    cycles = esp32.estimate.method.cycles(1_000_000, 1000)
    assert cycles == 1_180_000 + 965_000
    assert esp32.estimated_ms(cycles) == pytest.approx(cycles / 240_000, abs=0.001)
    assert board("host").estimated_ms(640_000) is None
