"""The firmware as a process behind a pseudo terminal, reached as a board is: over a serial port.

The port may come late, be noisy, go away and come back.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import faulty_board
import scripted_model as model
from faulty_board import FAULTS, INPUT, OUTPUT
from pipeline.boards import board
from pipeline.device import Device, TimeLimits, open_link
from pipeline.device.serial_port import SerialLink, find_port
from pipeline.errors import DeviceError
from terminal import Terminal

LIMITS = TimeLimits(greeting_s=30, hello_s=1, reply_s=20, inference_s=20)


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty_board.build_firmware(tmp_path_factory.mktemp("serial"))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path / "ttyACM0")
    yield terminal
    terminal.vanish()


class Moments:
    """Stands for time.sleep: the n-th wait of the link does the n-th of these instead."""

    def __init__(self, *events: Callable[[], None]) -> None:
        self._events = iter(events)
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        next(self._events, lambda: None)()


def link_to(terminal: Terminal, moments: Moments) -> SerialLink:
    path = str(terminal.path)
    return SerialLink(lambda: path, path, 115200, moments.clock, moments.sleep)


def test_a_board_is_measured_over_its_port(firmware: Path, terminal: Terminal) -> None:
    terminal.appear(firmware)
    link = open_link(board("nano33ble"), Path("unused"), str(terminal.path))
    with Device(link, model_sha256=model.SHA256.hex(), limits=LIMITS) as device:
        assert device.infer(INPUT).outputs == OUTPUT
        assert len(device.run(1, 5).ticks) == 5
        assert len(device.profile()) == len(device.check()) == 2


def test_a_late_and_noisy_board_is_awaited(firmware: Path, terminal: Terminal) -> None:
    # Opening a port drops what came before, so the noise waits for the host's first byte.
    noise = r"\r\n\0ets Jul 29 2019\377\0brownout"
    script = f"head -c 1 >/dev/null; printf '{noise}'; exec $0"
    moments = Moments(lambda: None, lambda: terminal.appear("sh", "-c", script, firmware))
    with Device(link_to(terminal, moments), limits=LIMITS) as device:
        assert device.infer(INPUT).outputs == OUTPUT
        assert device.noise_bytes >= len(b"ets Jul 29 2019brownoutmcu-pipeline host aot scripted")


def test_a_port_that_goes_and_comes_back_before_the_greeting(
    firmware: Path, terminal: Terminal
) -> None:
    """As after an upload: first the bootloader's port, then none, then the firmware's."""
    terminal.appear()
    moments = Moments(lambda: None, lambda: None, lambda: terminal.appear(firmware))
    link = link_to(terminal, moments)
    assert link.read(0) == b""
    terminal.say(b"bootloader")
    assert link.read(10).startswith(b"b")
    terminal.vanish()
    with Device(link, limits=LIMITS) as device:
        assert device.infer(INPUT).outputs == OUTPUT


def test_a_board_that_was_reset_in_between_is_told(firmware: Path, terminal: Terminal) -> None:
    terminal.appear(firmware)
    moments = Moments(lambda: terminal.appear(firmware))
    with Device(link_to(terminal, moments), limits=LIMITS) as device:
        device.write_input(INPUT)
        terminal.vanish()
        with pytest.raises(DeviceError, match=r"^device: restarted during Run"):
            device.run(0, 1)


def test_a_port_that_stays_away_ends_the_wait(firmware: Path, terminal: Terminal) -> None:
    terminal.appear(firmware)
    moments = Moments()
    with Device(link_to(terminal, moments), limits=LIMITS) as device:
        terminal.vanish()
        with pytest.raises(DeviceError) as error:
            device.run(0, 1)
    assert re.fullmatch(
        rf"device: {terminal.path} went away and is not there for 8 s; "
        r"connect the board, or name its port with --port",
        str(error.value),
    )
    assert moments.now <= 9


def test_a_port_that_never_comes_is_told_with_what_was_looked_for() -> None:
    moments = Moments()
    link = SerialLink(lambda: None, "a nano on USB", 9600, moments.clock, moments.sleep)
    with pytest.raises(DeviceError, match=r"^device: a nano on USB is not there for 8 s; connect"):
        Device(link, clock=moments.clock)


def test_a_second_user_of_a_port_is_refused(terminal: Terminal) -> None:
    terminal.appear()
    first = link_to(terminal, Moments())
    assert first.read(0) == b""
    with pytest.raises(
        DeviceError, match="is in use by another program for 8 s; close it; ModemManager"
    ):
        link_to(terminal, Moments()).read(100)
    first.close()


def test_firmware_behind_a_socket(firmware: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        process = stack.enter_context(
            subprocess.Popen([firmware], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        stack.callback(process.kill)
        bridge = threading.Thread(target=_bridge, args=(server, process))
        bridge.start()
        port = f"socket://127.0.0.1:{server.getsockname()[1]}"
        link = open_link(board("esp32dev"), Path("unused"), port)
        with Device(link, limits=LIMITS) as device:
            assert device.infer(INPUT).outputs == OUTPUT
        bridge.join()


def _bridge(server: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """Bytes between the first connection and a process, until the connection ends."""
    assert process.stdin is not None
    assert process.stdout is not None
    connection, _ = server.accept()
    with connection:
        while True:
            readable, _, _ = select.select([connection, process.stdout], [], [])
            if connection in readable:
                data = connection.recv(4096)
                if not data:
                    return
                process.stdin.write(data)
                process.stdin.flush()
            else:
                connection.sendall(os.read(process.stdout.fileno(), 4096))


def usb(device: str, vendor: int | None, product: int | None) -> SimpleNamespace:
    return SimpleNamespace(device=device, vid=vendor, pid=product)


PORTS = [
    usb("/dev/ttyS0", None, None),
    usb("/dev/ttyACM1", 0x2341, 0x805A),
    usb("/dev/ttyACM0", 0x2341, 0x005A),
    usb("/dev/ttyUSB0", 0x10C4, 0xEA60),
    usb("/dev/ttyUSB1", 0x1A86, 0x7523),
]


def test_boards_are_found_by_their_usb_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: PORTS)
    nano, esp32 = board("nano33ble").serial, board("esp32dev").serial
    assert nano is not None
    assert esp32 is not None
    assert find_port(nano.usb_ids) == "/dev/ttyACM1"
    assert find_port(("ffff:ffff",)) is None
    with pytest.raises(DeviceError) as error:
        find_port(esp32.usb_ids)
    assert str(error.value) == (
        "device: 2 ports fit the board: /dev/ttyUSB0, /dev/ttyUSB1; choose with --port"
    )


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_of_the_line_hangs_or_gives_a_wrong_value(
    firmware: Path, tmp_path: Path, name: str, seed: int
) -> None:
    """`session` compares every value; here it is how the session ends."""
    end = faulty_board.session(firmware, tmp_path, FAULTS[name], seed)
    assert faulty_board.accepts(FAULTS[name], end), end
