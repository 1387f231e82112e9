"""Whether this user may open the board's serial port."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject

_ID = "serial-permission"


def _look(subject: Subject) -> Iterator[Finding]:
    rights = subject.machine.serial
    if rights is None or rights.superuser:
        return
    if rights.devices:
        for device in rights.devices:
            if device.trouble is not None:
                yield Finding(
                    _ID,
                    "warning",
                    f"{device.path} {device.trouble.reason}",
                    "neither upload nor benchmark reach the board",
                    device.trouble.remedy or "ask whoever administers this computer",
                )
        return
    if rights.serial_groups and not set(rights.serial_groups) & set(rights.user_groups):
        group = rights.serial_groups[0]
        if not any("MODE" in rule or "uaccess" in rule for rule in rights.udev_rules):
            yield Finding(
                _ID,
                "warning",
                f"this user is not in the group {group}, and no udev rule opens "
                f"{subject.board.id}'s port",
                "the port cannot be opened once the board is connected",
                f"sudo usermod -aG {group} $USER, and log in again",
            )


register(Check(_ID, "a serial port that this user may not open", _look))
