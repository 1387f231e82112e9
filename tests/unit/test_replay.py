"""A serial.log as a device, and as lines for people."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tty
import zlib

import pytest

import small_models
from command import run
from fake_device import GREETING, INPUT, LIMITS, FakeDevice, connect, corrupted, lost, noisy
from pipeline import protocol
from pipeline.device import Device
from pipeline.device.replay import ReplayLink
from pipeline.errors import DeviceError
from pipeline.monitor import Decoder


def use(device):
    inference = device.infer(INPUT)
    return inference, device.run(warmups=1, runs=4), device.profile(), device.check()


@pytest.mark.parametrize("fault", [None, lost, corrupted, noisy])
@pytest.mark.parametrize("at", range(9))
def test_a_log_answers_as_the_device_did(at, fault):
    log, again = io.BytesIO(), io.BytesIO()
    with connect(FakeDevice(faults=[None] * at + [fault]), log=log) as device:
        recorded = use(device)
    now = [0.0]
    link = ReplayLink(log.getvalue(), sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    with Device(link, limits=LIMITS, clock=lambda: now[0], log=again) as device:
        assert use(device) == recorded
    assert again.getvalue() == log.getvalue()


def test_a_log_of_a_device_that_had_to_be_asked_is_asked_as_often():
    log, now = io.BytesIO(), [0.0]
    with connect(FakeDevice(greeting=b"", faults=[lost, None]), log=log) as device:
        recorded = use(device)

    def sleep(seconds):
        now[0] += seconds

    with Device(ReplayLink(log.getvalue(), sleep), limits=LIMITS, clock=lambda: now[0]) as device:
        assert use(device) == recorded


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_log_that_ends_early_ends_the_device(kept):
    log = io.BytesIO()
    with connect(FakeDevice(), log=log) as device:
        use(device)
    content = log.getvalue()[: int(len(log.getvalue()) * kept)]
    with pytest.raises(DeviceError, match="the log that is replayed ends here; replay it with"):
        use(Device(ReplayLink(content)))


def test_another_input_than_the_logs_is_refused():
    log = io.BytesIO()
    with connect(FakeDevice(), log=log) as device:
        device.infer(INPUT)
    device = Device(ReplayLink(log.getvalue()))
    with pytest.raises(DeviceError, match="has another request here; replay it with the command"):
        device.infer(INPUT[::-1])


def test_a_run_is_replayed_from_its_own_log(monkeypatch, tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(small_models.dense_relu())
    assert run(monkeypatch, tmp_path, "benchmark", "m.tflite", "--board", "host", "--json") == 0
    folder = tmp_path / "runs/m-host-aot"
    first, log = capsys.readouterr().out, (folder / "serial.log").read_bytes()
    port = f"replay:{folder / 'serial.log'}"
    assert run(monkeypatch, tmp_path, "benchmark", folder, "--port", port, "--json") == 0
    assert capsys.readouterr().out == first
    assert (folder / "serial.log").read_bytes() == log

    assert run(monkeypatch, tmp_path, "monitor", "--port", port) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}  mcu-pipeline host aot m", lines[0])
    assert " board=host runtime=aot " in lines[1]
    assert "#1 WriteInput offset=0 data=" in lines[2]
    assert "#2 Sample index=0 ticks=" in lines[5]
    assert run(monkeypatch, tmp_path, "benchmark", folder, "--port", "replay:no.log") == 1
    assert "device: no.log cannot be replayed: No such file" in capsys.readouterr().err


FRAME = protocol.encode(protocol.Sample(3, 10), 9)  # has a newline in it


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_lines_and_frames_are_shown_whole_however_they_arrive(piece):
    stream = b"boot: ok\r\n\x1b[0;32mI (31) main\x1b[0m\n" + GREETING + FRAME + b"half a li"
    decoder = Decoder()
    lines = [
        line
        for start in range(0, len(stream), piece)
        for line in decoder.feed(stream[start : start + piece])
    ]
    assert lines[:3] == ["boot: ok", "I (31) main", "mcu-pipeline nano33ble_sim aot test"]
    assert lines[3].startswith("#0 Info protocol=1 max_payload=16 counter_hz=25000000 ")
    assert lines[4:] == ["#9 Sample index=3 ticks=10"]
    assert decoder.flush() == ["half a li"]
    assert decoder.flush() == []


def test_what_could_steer_a_terminal_is_escaped():
    decoder = Decoder()
    assert decoder.feed(b"a\x1b]0;owned\x07b\xff\x00") == [r"a\x1b]0;owned\x07b\xff"]
    assert decoder.feed(b"\xff" * 9000) == [r"\xff" * 4096] * 2


def test_damaged_and_unknown_frames_are_shown_as_what_they_are():
    decoder = Decoder()
    unknown = protocol.encode(protocol.Ack(), 5)
    assert decoder.feed(unknown[:2] + b"!" + unknown[3:]) != []
    content = b"\x80\x05surplus"
    body = content + zlib.crc32(content).to_bytes(4, "little")
    assert decoder.feed(b"\0" + protocol.cobs_encode(body) + b"\0") == ["#5 type 0x80, 7 bytes"]


def test_ctrl_c_ends_a_monitor_cleanly(tmp_path):
    master, slave = pty.openpty()
    tty.setraw(slave)
    command = [sys.executable, "-m", "pipeline", "monitor", "--port", os.ttyname(slave)]
    command += ["--log", str(tmp_path / "kept.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as monitor:
        assert monitor.stdout is not None
        # Until it has opened the port, what is written is dropped: so once more until it shows.
        for _ in range(600):
            os.write(master, b"hello\r\n")
            if select.select([monitor.stdout], [], [], 0.2)[0]:
                break
        assert b"hello" in os.read(monitor.stdout.fileno(), 1000)
        monitor.send_signal(signal.SIGINT)
        _, errors = monitor.communicate(timeout=60)
    os.close(master)
    os.close(slave)
    assert monitor.returncode == 0
    assert b"Traceback" not in errors
    assert (tmp_path / "kept.log").read_bytes().startswith(b"hello\r\n")
