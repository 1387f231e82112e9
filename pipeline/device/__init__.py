"""Devices that run benchmark firmware, and how they are reached."""

from __future__ import annotations

from pathlib import Path

from pipeline.boards import Board
from pipeline.device.device import Device, Inference, RunResult, TimeLimits
from pipeline.device.link import Link, LinkEndedError
from pipeline.device.process import ProcessLink
from pipeline.errors import DeviceError

__all__ = [
    "Device",
    "Inference",
    "Link",
    "LinkEndedError",
    "ProcessLink",
    "RunResult",
    "TimeLimits",
    "open_link",
]


def open_link(board: Board, elf: Path) -> Link:
    """Starts the image on an emulated board or on this computer.

    Raises:
        ToolError: the emulator is not installed.
        DeviceError: the board is reached over a serial port.
    """
    if board.emulator is None:
        raise DeviceError(f"device: board {board.id} has no emulator")
    return ProcessLink(board.emulator.arguments(elf.resolve()))
