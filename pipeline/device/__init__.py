"""Devices that run benchmark firmware, and how they are reached."""

from __future__ import annotations

from pathlib import Path

from pipeline.boards import Board
from pipeline.device.device import Device, Inference, RunResult, TimeLimits
from pipeline.device.link import Link, LinkEndedError
from pipeline.device.process import ProcessLink
from pipeline.device.serial_port import AUTO, open_serial
from pipeline.errors import DeviceError

__all__ = [
    "AUTO",
    "Device",
    "Inference",
    "Link",
    "LinkEndedError",
    "ProcessLink",
    "RunResult",
    "TimeLimits",
    "open_link",
]


def open_link(board: Board, elf: Path, port: str = AUTO) -> Link:
    """Reaches a board at its serial port; starts the image on an emulated one or on this computer.

    Args:
        elf: the image; a board must have been flashed with it.
        port: as `serial_port.open_serial`; for a board only.

    Raises:
        ToolError: the emulator is not installed.
        DeviceError: a port is given for what has none.
    """
    if board.emulator is None:
        return open_serial(board, port)
    if port != AUTO:
        raise DeviceError(f"device: --port is for boards, and {board.id} runs on this computer")
    return ProcessLink(board.emulator.arguments(elf.resolve()))
