"""The emulated boards, skipped where a tool is missing, and how their images are linked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.boards import board, boards
from pipeline.resources import resource


def _platform(board_id: str) -> Any:
    path = resource("platforms") / "path_gcc" / "boards" / f"{board_id}.json"
    return json.loads(path.read_text())["build"]


def _missing_tool(board_id: str) -> str | None:
    emulator = board(board_id).emulator
    assert emulator is not None
    tools = (f"{_platform(board_id)['toolchain_prefix']}gcc", emulator.command[0])
    return next((tool for tool in tools if shutil.which(tool) is None), None)


def _parameter(board_id: str) -> Any:
    missing = _missing_tool(board_id)
    reason = f"{missing} is missing: tools/setup.sh emulators"
    return pytest.param(
        board_id,
        marks=[pytest.mark.emulator, pytest.mark.skipif(missing is not None, reason=reason)],
    )


EMULATED = [_parameter(b.id) for b in boards() if b.kind == "emulated"]
# Those without SIMD.
SCALAR = [_parameter(b.id) for b in boards() if b.kind == "emulated" and b.core != "cortex-m4f"]


def compiler(board_id: str) -> list[str]:
    """Compiler and flags that link an image without PlatformIO: sources and -o are to be added."""
    platform, port = _platform(board_id), board(board_id).port
    script = resource("firmware") / "ports" / port / f"{board_id}.ld"
    flags = ["-O2", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
    return [
        f"{platform['toolchain_prefix']}gcc",
        *platform["machine_flags"],
        *flags,
        *platform["link_flags"],
        "-T",
        str(script),
    ]


def port_sources(board_id: str) -> list[Path]:
    """C and assembly of the board's port."""
    folder = resource("firmware") / "ports" / board(board_id).port
    return sorted([*folder.glob("*.c"), *folder.glob("*.S")])
