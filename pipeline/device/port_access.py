"""Why this user cannot open a serial port, and what to do about it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DeviceError

_PROC = Path("/proc")
_UDEV_RULE = "/etc/udev/rules.d/70-mcu-pipeline.rules"


@dataclass(frozen=True)
class PortTrouble:
    """An error of opening or using a port, for people.

    Attributes:
        reason: completes "<port> ...".
        remedy: None where the system's words are all there is to say.
    """

    reason: str
    remedy: str | None = None


def require_usable(path: str, usb_ids: tuple[str, ...]) -> None:
    """Before another program is to use a port: its own words for that would be less clear.

    Raises:
        DeviceError: this user cannot open the port, or another program holds it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
    except OSError as error:
        trouble = explain(error, path, usb_ids)
        raise DeviceError(f"device: {path} {trouble.reason}", trouble.remedy) from error


def explain(error: OSError, path: str, usb_ids: tuple[str, ...] = ()) -> PortTrouble:
    """What an error of pyserial means for the port at `path`.

    Args:
        path: or a URL as pyserial takes it.
        usb_ids: "vendor:product" of the board, for a udev rule.
    """
    if error.errno in (errno.EACCES, errno.EPERM):
        return no_permission(path, usb_ids)
    # pyserial locks with flock: EAGAIN where another pyserial program holds the port.
    if error.errno in (errno.EBUSY, errno.EAGAIN) or "lock port" in str(error):
        return _in_use(path)
    if "returned no data" in str(error):  # pyserial's sign of a hang-up, or of a second reader
        return PortTrouble("gives no data")
    if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO):
        return PortTrouble("is not there")
    # pyserial puts the system's words into longer ones of its own.
    words = os.strerror(error.errno) if error.errno else str(error).strip()
    return PortTrouble(f"cannot be used ({words})")


def no_permission(path: str, usb_ids: tuple[str, ...]) -> PortTrouble:
    """Of a port that this user may not open: its group, or the udev rule that it lacks."""
    try:
        status = Path(path).stat()
        group = grp.getgrgid(status.st_gid)
    except (OSError, KeyError):
        return PortTrouble("may not be opened by this user")
    if group.gr_gid != 0 and status.st_mode & stat.S_IWGRP:
        reason = f"may not be opened by this user, who is not in its group {group.gr_name}"
        return PortTrouble(reason, f"sudo usermod -aG {group.gr_name} $USER, and log in again")
    vendor = usb_ids[0].partition(":")[0] if usb_ids else "<vendor id by lsusb>"
    rule = f'SUBSYSTEM=="tty", ATTRS{{idVendor}}=="{vendor}", TAG+="uaccess"'
    return PortTrouble(
        "may not be opened by this user, nor by any group",
        f"put this udev rule into {_UDEV_RULE} and connect the board again: {rule}",
    )


def _in_use(path: str) -> PortTrouble:
    holders = [f"{name} (process {number})" for number, name in _holders(path)]
    if holders:
        return PortTrouble(f"is in use by {', '.join(holders)}", "end that program")
    return PortTrouble(
        "is in use by another program",
        "close it; ModemManager tries a new port for some seconds: "
        "sudo systemctl stop ModemManager",
    )


def _holders(path: str) -> Iterator[tuple[int, str]]:
    """Other processes that have the port open, as far as this user may see."""
    wanted = os.path.realpath(path)
    for process in _PROC.glob("[0-9]*"):
        number = int(process.name)
        if number == os.getpid():
            continue
        with contextlib.suppress(OSError):  # another user's, or it has just ended
            if any(os.path.realpath(link) == wanted for link in (process / "fd").iterdir()):
                yield number, (process / "comm").read_text().strip()
