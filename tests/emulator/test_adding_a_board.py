"""docs/adding-a-board.md followed to the letter: its files written, its commands run, in a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import small_models
from emulated_boards import EMULATED
from page_files import page_commands, page_files
from pipeline.boards import parse_board

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-board.md").read_text()
COPIED = ("pipeline", "firmware", "templates", "platforms", "tests", "platformio.ini")
COPIED_TOO = ("pyproject.toml",)
NANO33BLE_SIM = next(parameter for parameter in EMULATED if parameter.values == ("nano33ble_sim",))

pytestmark = [pytest.mark.emulator, *NANO33BLE_SIM.marks]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy = tmp_path / "checkout"
    leavings = shutil.ignore_patterns("__pycache__", ".pio")
    for name in (*COPIED, *COPIED_TOO):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=leavings)
        else:
            shutil.copy(source, copy)
    return copy


def shell(block: str, folder: Path) -> str:
    """What the commands print; they find the copy's code and this interpreter's programs."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {"PATH": programs, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["bash", "-euc", block],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_board_is_added_by_adding_files(checkout: Path) -> None:
    files = page_files(PAGE)
    for name, content in files.items():
        assert not (checkout / name).exists()
        (checkout / name).write_text(content)
    linker_script, use = page_commands(PAGE)
    shell(linker_script, checkout)
    (checkout / "model.tflite").write_bytes(small_models.two_headed_convnet())
    output = shell(use, checkout)

    toml = files["pipeline/boards/stm32f411_sim.toml"]
    assert parse_board(toml, "stm32f411_sim").title in output
    assert "32 inferences, all bytes identical" in output
    # One of the tests that every emulated board passes ran for this one, and none was left out.
    summary = output.splitlines()[-1]
    assert " passed" in summary
    assert "skipped" not in summary
