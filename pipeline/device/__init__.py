"""Devices that run benchmark firmware, and how they are reached."""

from __future__ import annotations

from pathlib import Path

from pipeline.boards import Board
from pipeline.device.device import Device
from pipeline.device.link import Link, LinkEndedError
from pipeline.device.process import ProcessLink
from pipeline.device.replay import PREFIX, open_replay
from pipeline.device.results import ClockReading, Inference, RunResult, TimeLimits
from pipeline.device.serial_port import AUTO, open_serial
from pipeline.errors import DeviceError

__all__ = [
    "AUTO",
    "ClockReading",
    "Device",
    "Inference",
    "Link",
    "LinkEndedError",
    "ProcessLink",
    "RunResult",
    "TimeLimits",
    "is_replay",
    "open_link",
]


def open_link(board: Board, elf: Path, port: str = AUTO) -> Link:
    """Reaches a board at its serial port; starts the image on an emulated one or on this computer.

    Args:
        elf: the image; a board must have been flashed with it.
        port: as `serial_port.open_serial`, for a board; or "replay:" and the path of a serial.log,
            for any.

    Raises:
        ToolError: the emulator is not installed.
        DeviceError: a port is given for what has none, or a log that cannot be read.
    """
    if is_replay(port):
        return open_replay(port)
    if board.emulator is None:
        return open_serial(board, port)
    if port != AUTO:
        raise DeviceError(f"device: --port is for boards, and {board.id} runs on this computer")
    return ProcessLink(board.emulator.arguments(elf.resolve()))


def is_replay(port: str) -> bool:
    """Whether a port is the log of an earlier run rather than a device."""
    return port.startswith(PREFIX)
