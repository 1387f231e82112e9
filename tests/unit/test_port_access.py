"""A port that cannot be opened: who has it, which group or rule opens it."""

from __future__ import annotations

import grp
import os
import pty
import re
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from types import SimpleNamespace

import pytest

from pipeline.device import port_access
from pipeline.device.port_access import PortTrouble, explain
from pipeline.device.serial_port import SerialLink
from pipeline.errors import DeviceError

NO_PERMISSION = PermissionError(13, "Permission denied")


@pytest.fixture
def port(monkeypatch, tmp_path):
    """A port of the group dialout, whose number every system knows as it likes."""

    def make(mode, group_number):
        status = SimpleNamespace(st_gid=group_number, st_mode=mode)
        names = {0: "root", 20: "dialout"}
        group = SimpleNamespace(gr_name=names[group_number], gr_gid=group_number)
        monkeypatch.setattr(Path, "stat", lambda path: status)
        monkeypatch.setattr(grp, "getgrgid", lambda number: group)
        return "/dev/ttyACM0"

    return make


def test_a_port_of_a_group_names_the_group_to_join(port):
    assert explain(NO_PERMISSION, port(0o660, 20)) == PortTrouble(
        "may not be opened by this user, who is not in its group dialout",
        "sudo usermod -aG dialout $USER, and log in again",
    )


@pytest.mark.parametrize(("mode", "group"), [(0o600, 20), (0o660, 0)])
def test_a_port_of_root_alone_needs_a_udev_rule(port, mode, group):
    trouble = explain(NO_PERMISSION, port(mode, group), ("2341:805a",))
    assert trouble.reason == "may not be opened by this user, nor by any group"
    assert trouble.remedy == (
        "put this udev rule into /etc/udev/rules.d/70-mcu-pipeline.rules and connect the board "
        'again: SUBSYSTEM=="tty", ATTRS{idVendor}=="2341", TAG+="uaccess"'
    )


def test_another_process_with_the_port_is_named():
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    os.close(slave)
    program = f"f = open({name!r}); print(flush=True); input()"
    with Popen([sys.executable, "-c", program], stdin=PIPE, stdout=PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        trouble = explain(OSError(16, "Device or resource busy"), name)
        other.kill()
    os.close(master)
    assert re.fullmatch(rf"is in use by python\S* \(process {other.pid}\)", trouble.reason)
    assert trouble.remedy == "end that program"


def test_a_holder_that_may_not_be_seen_is_another_program(monkeypatch, tmp_path):
    monkeypatch.setattr(port_access, "_PROC", tmp_path)
    trouble = explain(OSError(11, "Could not exclusively lock port"), "/dev/ttyACM0")
    assert trouble.reason == "is in use by another program"
    assert "ModemManager" in str(trouble.remedy)


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("nowhere://x", "device: nowhere://x at 9600 baud is no serial port: invalid URL"),
        ("/dev/null", "device: /dev/null cannot be used "),
        ("/", "device: / cannot be used (Is a directory)"),
        ("socket://127.0.0.1:1", "device: socket://127.0.0.1:1 cannot be used "),
        ("socket://nonsense", "device: socket://nonsense cannot be used "),
    ],
)
def test_what_is_no_port_is_refused_in_one_line(port, message):
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    link = SerialLink(lambda: port, port, 9600, lambda: now[0], sleep)
    with pytest.raises(DeviceError) as error:
        link.read(100)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert now[0] < 9
