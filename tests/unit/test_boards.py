"""Boards: what they state agrees with what is built, and mistakes in a board file are told."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import pytest

from pipeline import boards
from pipeline.errors import PipelineError
from pipeline.resources import resource

NANO33BLE_SIM = (Path(boards.__file__).parent / "nano33ble_sim.toml").read_text()


def platformio_ini() -> configparser.ConfigParser:
    config = configparser.ConfigParser(interpolation=None)
    config.read(resource("platformio.ini"))
    return config


@pytest.mark.parametrize("board", boards.boards(), ids=lambda board: board.id)
def test_every_runtime_of_a_board_can_be_built(board: boards.Board) -> None:
    config = platformio_ini()
    for runtime in board.runtimes:
        section = config[f"env:{board.environment(runtime)}"]
        assert f"ports/{board.port}/" in section["build_src_filter"]
    assert board.default_runtime in board.runtimes
    assert (resource("firmware") / "ports" / board.port).is_dir()


def test_linker_script_and_platform_state_the_memories_of_the_board() -> None:
    board = boards.board("nano33ble_sim")
    relative = platformio_ini()["env:nano33ble_sim"]["board_build.linker_script"]
    script = resource("firmware") / relative
    lengths = re.findall(r"LENGTH = (\d+)K", script.read_text())
    assert [int(length) * 1024 for length in lengths] == [board.flash_bytes, board.ram_bytes]
    platform = resource("platforms") / "path_gcc" / "boards" / "nano33ble_sim.json"
    upload = json.loads(platform.read_text())["upload"]
    assert upload == {"maximum_size": board.flash_bytes, "maximum_ram_size": board.ram_bytes}


def test_unknown_board_names_the_nearest() -> None:
    with pytest.raises(
        PipelineError, match=r"^board 'nano33' is unknown; did you mean nano33ble_sim\?$"
    ):
        boards.board("nano33")


def test_unknown_runtime_names_those_there_are() -> None:
    with pytest.raises(PipelineError, match=r"^board host has no runtime 'rust'; it has aot$"):
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
        ('core = "', 'colour = "red"\ncore = "', "board x: unknown key 'colour'"),
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


def test_ticks_become_whole_instructions_or_none() -> None:
    counter = boards.board("nano33ble_sim").counter
    # One instruction is 3.2 ticks; the counter may be read up to one tick early or late.
    assert {counter.instructions(ticks) for ticks in (13244, 13245)} == {4139}
    assert boards.board("host").counter.instructions(13244) is None


def test_emulator_command_takes_the_image_as_one_argument() -> None:
    emulator = boards.board("nano33ble_sim").emulator
    assert emulator is not None
    assert "/a b/firmware.elf" in emulator.arguments(Path("/a b/firmware.elf"))
