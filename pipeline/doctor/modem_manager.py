"""ModemManager, which tries every new serial port for a modem."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject

_ID = "modem-manager"


def _look(subject: Subject) -> Iterator[Finding]:
    rights = subject.machine.serial
    if rights is None or not rights.modem_manager:
        return
    if any("ID_MM_DEVICE_IGNORE" in rule for rule in rights.udev_rules):
        return
    assert subject.board.serial is not None
    vendor = subject.board.serial.usb_ids[0].partition(":")[0]
    yield Finding(
        _ID,
        "warning",
        "ModemManager runs",
        "it opens a board's port for seconds after it appears and sends AT commands into it: "
        "uploads fail, and replies get foreign bytes",
        f'a udev rule ATTRS{{idVendor}}=="{vendor}", ENV{{ID_MM_DEVICE_IGNORE}}="1", or '
        "sudo systemctl stop ModemManager",
    )


register(Check(_ID, "ModemManager without a udev rule that keeps it off the board", _look))
