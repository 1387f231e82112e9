"""What this computer has: compilers, emulators, PlatformIO's packages, serial ports and rights."""

from __future__ import annotations

import grp
import importlib.util
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.boards import Board
from pipeline.device.port_access import PortTrouble, no_permission
from pipeline.firmware.platformio_packages import (
    Toolchain,
    environment_flags,
    missing_packages,
    package_folders,
    toolchain_of,
)

_UDEV_FOLDERS = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d")
_SERIAL_GROUPS = ("dialout", "uucp")  # Debian and Fedora; Arch


@dataclass(frozen=True)
class SerialDevice:
    """A connected board's port, and why this user may not open it; None where it may."""

    path: str
    trouble: PortTrouble | None


@dataclass(frozen=True)
class SerialRights:
    """Who may use serial ports, and who else does.

    Attributes:
        devices: the ports of this board that are connected now.
        user_groups: of this process.
        serial_groups: groups of this system that serial devices are given to.
        superuser: may open every port.
        modem_manager: it runs.
        udev_rules: lines of udev's rules that name a USB vendor of this board.
    """

    devices: tuple[SerialDevice, ...]
    user_groups: tuple[str, ...]
    serial_groups: tuple[str, ...]
    superuser: bool
    modem_manager: bool
    udev_rules: tuple[str, ...]


@dataclass(frozen=True)
class Machine:
    """What matters for one board and runtime.

    Attributes:
        toolchain: that builds for the board; None where PlatformIO brings it, or nothing is built.
        programs: those of `toolchain` and of the emulator that are on PATH.
        missing_packages: that PlatformIO has to download first.
        build_flags: of the board's environment in this pipeline's platformio.ini.
        tflm_interpreter: the golden reference can be imported.
        serial: None for what runs on this computer.
    """

    toolchain: Toolchain | None
    programs: tuple[str, ...]
    missing_packages: tuple[str, ...]
    build_flags: str
    tflm_interpreter: bool
    serial: SerialRights | None


def look_around(board: Board, runtime: str) -> Machine:
    """The facts as they are now; takes a few milliseconds, and for a real board some tens."""
    built = runtime in board.runtimes
    environment = board.environment(runtime) if built else None
    toolchain = toolchain_of(board.id) if built and board.kind != "board" else None
    wanted = [] if toolchain is None else [toolchain.compiler]
    if board.kind == "emulated" and board.emulator is not None:
        wanted.append(board.emulator.command[0])
    return Machine(
        toolchain=toolchain,
        programs=tuple(program for program in wanted if shutil.which(program)),
        missing_packages=(
            ()
            if environment is None
            else missing_packages(environment, package_folders(os.environ))
        ),
        build_flags="" if environment is None else environment_flags(environment),
        tflm_interpreter=importlib.util.find_spec("tflite_micro") is not None,
        serial=None if board.serial is None else _serial_rights(board.serial.usb_ids),
    )


def _serial_rights(usb_ids: tuple[str, ...]) -> SerialRights:
    return SerialRights(
        devices=tuple(_devices(usb_ids)),
        user_groups=tuple(sorted(filter(None, map(_group_name, os.getgroups())))),
        serial_groups=tuple(group for group in _SERIAL_GROUPS if _has_group(group)),
        superuser=os.geteuid() == 0,
        modem_manager=_runs("ModemManager"),
        udev_rules=tuple(_udev_rules(frozenset(usb_id[:4] for usb_id in usb_ids))),
    )


def _devices(usb_ids: tuple[str, ...]) -> Iterable[SerialDevice]:
    from serial.tools.list_ports import comports

    for port in comports():
        if port.vid is not None and f"{port.vid:04x}:{port.pid:04x}" in usb_ids:
            # Asked, not tried: opening its port may reset a board.
            usable = os.access(port.device, os.R_OK | os.W_OK)
            trouble = None if usable else no_permission(port.device, usb_ids)
            yield SerialDevice(port.device, trouble)


def _group_name(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None


def _has_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _runs(name: str) -> bool:
    """Whether a process of that name is there; Linux keeps 15 characters of it."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text(encoding="utf-8", errors="replace").strip() == name[:15]:
                return True
        except OSError:
            continue  # it ended meanwhile
    return False


def _udev_rules(vendors: frozenset[str]) -> Iterable[str]:
    for folder in map(Path, _UDEV_FOLDERS):
        for path in sorted(folder.glob("*.rules")):
            try:
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                continue
            yield from (
                line.strip()
                for line in lines
                if not line.lstrip().startswith("#")
                and any(f'"{vendor}"' in line for vendor in vendors)
            )
