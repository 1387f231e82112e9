"""A board on a serial port, or on a socket that stands for one; through pyserial."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pipeline.boards import Board
from pipeline.device.link import LinkEndedError
from pipeline.device.port_access import PortTrouble, explain
from pipeline.errors import DeviceError

AUTO = "auto"

# A board that was reset or flashed is back on USB after about 3 s.
_ABSENCE_LIMIT_S = 8.0
_RETRY_S = 0.1
_WRITE_LIMIT_S = 10.0
_READ_BYTES = 4096
_PORT_FORMS = "--port takes auto, a path, socket://host:port, or replay:serial.log"
_CONNECT = "connect the board, or name its port with --port"


class SerialLink:
    """A serial port that may come late, go away and come back.

    While it is away, `read` gives nothing and `write` drops its bytes, as a loose cable would: the
    device's time limits and retries cover both. `interruptions` tells that the board may have been
    reset: opening a port drops what came before, the greeting too.
    """

    def __init__(
        self,
        find_port: Callable[[], str | None],
        wanted: str,
        baud: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        usb_ids: tuple[str, ...] = (),
    ) -> None:
        """Opens nothing yet.

        Args:
            find_port: the port's path or URL as pyserial takes it, or None where there is none
                now; asked again before every attempt to open it.
            wanted: what it looks for, for messages.
            baud: bits per second.
            usb_ids: of the board, for messages.
        """
        self._find_port = find_port
        self._wanted = wanted
        self._baud = baud
        self._clock = clock
        self._sleep = sleep
        self._usb_ids = usb_ids
        self._port: Any = None
        self._path = wanted
        self._lost = False
        self.interruptions = 0
        self._absent_since = clock()
        self._trouble = PortTrouble("is not there")

    def read(self, limit_s: float) -> bytes:
        deadline = self._clock() + limit_s
        while not self._is_open():
            rest_s = deadline - self._clock()
            if rest_s <= 0:
                return b""
            self._sleep(min(rest_s, _RETRY_S))
        try:
            self._port.timeout = max(0.0, deadline - self._clock())
            first: bytes = self._port.read(1)
            rest: bytes = self._port.read(min(self._port.in_waiting, _READ_BYTES)) if first else b""
            return first + rest
        except OSError as error:
            self._lose(error)
            return b""

    def write(self, data: bytes) -> None:
        if not self._is_open():
            return
        from serial import SerialTimeoutException

        try:
            self._port.write(data)
        except SerialTimeoutException as error:
            raise DeviceError(
                f"device: {self._wanted} takes no bytes for {_WRITE_LIMIT_S:g} s",
                "reset the board",
            ) from error
        except OSError as error:
            self._lose(error)

    def close(self) -> None:
        if self._port is not None:
            self._port.close()
            self._port = None

    def _is_open(self) -> bool:
        """Whether the port is open, after an attempt to open it.

        Raises:
            LinkEndedError: it has been away for too long.
        """
        if self._port is not None:
            return True
        path = self._find_port()
        if path is None:
            self._trouble = PortTrouble("is not there")
        else:
            try:
                self._port = self._open(path)
            except OSError as error:
                self._trouble = explain(error, path, self._usb_ids)
            else:
                self._path = path
                self.interruptions += self._lost
                self._lost = False
                return True
        if self._clock() - self._absent_since > _ABSENCE_LIMIT_S:
            reason = f"{'went away and ' if self._lost else ''}{self._trouble.reason}"
            raise LinkEndedError(
                f"device: {self._wanted} {reason} for {_ABSENCE_LIMIT_S:g} s",
                self._trouble.remedy or _CONNECT,
            )
        return False

    def _open(self, path: str) -> Any:
        import termios

        import serial

        # An open port has DTR set, without which the Nano's USB serial sends nothing; RTS as well,
        # as with one of them alone an ESP32 kit resets its board.
        is_local = "://" not in path
        try:
            return serial.serial_for_url(
                path,
                baudrate=self._baud,
                write_timeout=_WRITE_LIMIT_S,
                **({"exclusive": True} if is_local else {}),
            )
        except ValueError as error:
            raise DeviceError(
                f"device: {path} at {self._baud} baud is no serial port: {error}", _PORT_FORMS
            ) from error
        except termios.error as error:  # the port went away between two steps of opening it
            raise OSError(*error.args) from error

    def _lose(self, error: OSError) -> None:
        self.close()
        self._lost = True
        self._absent_since = self._clock()
        self._trouble = explain(error, self._path, self._usb_ids)


def open_serial(board: Board, port: str) -> SerialLink:
    """A link to the board at `port`: a path, a URL such as `socket://host:port`, or "auto"."""
    assert board.serial is not None, "only a board has a serial port"
    return open_port(port, f"a {board.id}", board.serial.baud, board.serial.usb_ids)


def open_port(port: str, what: str, baud: int, usb_ids: tuple[str, ...]) -> SerialLink:
    """A link to `port`, or to the one USB device with one of these ids where it is "auto".

    Args:
        what: is looked for, for messages.
        baud: bits per second.
    """
    if port != AUTO:
        return SerialLink(lambda: port, port, baud, usb_ids=usb_ids)
    wanted = f"{what} on USB ({' or '.join(usb_ids)})"
    return SerialLink(lambda: find_port(usb_ids), wanted, baud, usb_ids=usb_ids)


def find_port(usb_ids: tuple[str, ...]) -> str | None:
    """Path of the serial port whose USB device has one of these ids, or None.

    Raises:
        DeviceError: there are several.
    """
    from serial.tools.list_ports import comports

    paths = sorted(
        port.device
        for port in comports()
        if port.vid is not None and f"{port.vid:04x}:{port.pid:04x}" in usb_ids
    )
    if len(paths) > 1:
        raise DeviceError(
            f"device: {len(paths)} ports fit the board: {', '.join(paths)}", "choose with --port"
        )
    return paths[0] if paths else None
