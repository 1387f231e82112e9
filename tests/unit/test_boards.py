"""Boards: what they state agrees with what is built, and mistakes in a board file are told."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import boards
from pipeline.errors import PipelineError
from pipeline.firmware.platformio_packages import project_config, takes_libraries
from pipeline.resources import project_dir, resource

NANO33BLE = (Path(boards.__file__).parent / "nano33ble.toml").read_text()
NANO33BLE_SIM = (Path(boards.__file__).parent / "nano33ble_sim.toml").read_text()
ESP32_SIM = (Path(boards.__file__).parent / "esp32_sim.toml").read_text()


@pytest.mark.parametrize("board", boards.boards(), ids=lambda board: board.id)
def test_every_runtime_of_a_board_can_be_built(board: boards.Board) -> None:
    config = project_config()
    for runtime in board.runtimes:
        section = config[f"env:{board.environment(runtime)}"]
        assert f"ports/{board.port}/" in section["build_src_filter"]
    assert board.default_runtime in board.runtimes
    assert (resource("firmware") / "ports" / board.port).is_dir()


@pytest.mark.parametrize("board_id", [b.id for b in boards.boards() if b.kind == "emulated"])
def test_linker_script_and_platform_state_the_memories_of_the_board(board_id: str) -> None:
    board = boards.board(board_id)
    relative = project_config()[f"env:{board_id}"]["board_build.linker_script"]
    script = resource("firmware") / relative
    lengths = re.findall(r"LENGTH = (\d+)K", script.read_text())
    assert [int(length) * 1024 for length in lengths] == [board.flash_bytes, board.ram_bytes]
    platform = resource("platforms") / "path_gcc" / "boards" / f"{board_id}.json"
    upload = json.loads(platform.read_text())["upload"]
    assert upload == {"maximum_size": board.flash_bytes, "maximum_ram_size": board.ram_bytes}


def test_tflm_alone_takes_libraries_in_the_emulator() -> None:
    """The aot environments must build without PlatformIO's registry."""
    for board in boards.boards():
        if board.kind != "board":
            for runtime, environment in board.runtimes.items():
                assert takes_libraries(environment) == (runtime == "tflm")


def test_platformio_finds_no_fault_in_the_project() -> None:
    command = [sys.executable, "-m", "platformio", "project", "config", "--lint", "--json-output"]
    done = subprocess.run(command, cwd=project_dir(), capture_output=True, text=True, check=True)
    # Named JSON, PlatformIO prints Python here.
    assert ast.literal_eval(done.stdout) == {"errors": [], "warnings": []}


def test_tflm_on_the_host_needs_no_firmware() -> None:
    host = boards.board("host")
    host.require_runtime("tflm")
    with pytest.raises(PipelineError, match=r"^board host runs tflm without firmware$"):
        host.environment("tflm")


def test_unknown_board_names_the_nearest() -> None:
    with pytest.raises(
        PipelineError, match=r"^board 'nano33' is unknown; did you mean nano33ble\?$"
    ):
        boards.board("nano33")


def test_unknown_runtime_names_those_there_are() -> None:
    with pytest.raises(
        PipelineError, match=r"^board host has no runtime 'rust'; it has aot, tflm$"
    ):
        boards.board("host").environment("rust")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('core = "cortex-m4f"\n', "", "board x: core is missing or has a value of the wrong type"),
        ("clock_mhz = 64", 'clock_mhz = "64"', "board x: clock_mhz is missing or has a value"),
        ("clock_mhz = 64", "clock_mhz = nan", "board x: clock_mhz = nan is not a positive"),
        (
            "flash_bytes = 1048576",
            "flash_bytes = -1",
            "board x: flash_bytes = -1 is not a positive",
        ),
        (
            'kind = "emulated"',
            'kind = "virtual"',
            "board x: kind = 'virtual' is none of board, emu",
        ),
        ("port = ", 'colour = "red"\nport = ', "board x: unknown key 'colour'"),
        (
            'default_runtime = "aot"',
            'default_runtime = "c"',
            "default_runtime = 'c' is none of aot",
        ),
        (
            "ticks_per_instruction = 3.2\n",
            "",
            "board x [counter]: ticks_per_instruction is missing",
        ),
        (
            'serial = "stdio"',
            'serial = "usb"',
            "board x [emulator]: serial = 'usb' is none of stdio",
        ),
        ("[runtimes]", "[runtimes", "board x: "),
    ],
)
def test_mistakes_in_a_board_file_are_told(old: str, new: str, message: str) -> None:
    assert NANO33BLE_SIM.count(old) == 1
    with pytest.raises(PipelineError, match=re.escape(message)):
        boards.parse_board(NANO33BLE_SIM.replace(old, new), "x")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[serial]", "[usb]", "board x: serial is missing or has a value of the wrong type"),
        ("baud = 115200", "baud = 0", "board x [serial]: baud = 0 is not a positive"),
        ("2341:805a", "2341:805A", "board x [serial]: usb_ids has '2341:805A', not like '2341:"),
        ("tflm_year = 2023\n", "", "board x: tflm_year is missing"),
    ],
)
def test_mistakes_in_a_real_boards_file_are_told(old: str, new: str, message: str) -> None:
    assert NANO33BLE.count(old) == 1
    with pytest.raises(PipelineError, match=re.escape(message)):
        boards.parse_board(NANO33BLE.replace(old, new), "x")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "cycles_per_instruction = 1.18",
            'timings = "cortex-m7"',
            "board x [estimate]: timings = 'cortex-m7' is none of cortex-m4",
        ),
        (
            "cycles_per_instruction = 1.18\n",
            "",
            "board x [estimate]: cycles_per_instruction is mis",
        ),
        ("cycles_per_miss = 965\n", "", "board x [flash_cache]: cycles_per_miss is missing"),
        (
            "ways = 2",
            "ways = 3",
            "board x [flash_cache]: size_bytes = 32768 is no multiple of 3 x 32 bytes",
        ),
    ],
)
def test_mistakes_in_an_estimate_are_told(old: str, new: str, message: str) -> None:
    assert ESP32_SIM.count(old) == 1
    with pytest.raises(PipelineError, match=re.escape(message)):
        boards.parse_board(ESP32_SIM.replace(old, new), "x")


def test_ticks_become_whole_instructions_or_none() -> None:
    counter = boards.board("nano33ble_sim").counter
    # One instruction is 3.2 ticks; the counter may be read up to one tick early or late.
    assert {counter.instructions(ticks) for ticks in (13244, 13245)} == {4139}
    assert boards.board("host").counter.instructions(13244) is None


def test_emulator_command_takes_the_image_as_one_argument() -> None:
    emulator = boards.board("nano33ble_sim").emulator
    assert emulator is not None
    assert "/a b/firmware.elf" in emulator.arguments(Path("/a b/firmware.elf"))
