"""`monitor`: shows what a board says until Ctrl-C."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

import click

from pipeline.cli.options import BoardId

if TYPE_CHECKING:
    from pipeline.device import Link

_DEFAULT_BAUD = 115_200
_READ_LIMIT_S = 0.2
_IDLE_S = 1.0  # after which a line without an end is shown


@click.command("monitor")
@click.option(
    "--port",
    metavar="auto|PATH|socket://...|replay:LOG",
    default="auto",
    show_default=True,
    help="A serial port, or the serial.log of an earlier run.",
)
@click.option("--board", type=BoardId(), help="Whose USB ids and baud rate; default any.")
@click.option("--baud", type=click.IntRange(50, 4_000_000), help="Default the board's, or 115200.")
@click.option("--raw", is_flag=True, help="The bytes as they come, for a pipe.")
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Append every byte to FILE, which --port replay:FILE takes.",
)
@click.option("--seconds", type=click.FloatRange(min=0), help="End after this time; default never.")
def monitor_command(
    port: str,
    board: str | None,
    baud: int | None,
    raw: bool,
    log: Path | None,
    seconds: float | None,
) -> None:
    """Show a serial port's text and frames, until Ctrl-C."""
    from pipeline.device import is_replay
    from pipeline.device.replay import read_log

    screen: _Screen = _Bytes() if raw else _Lines()
    if is_replay(port):
        screen.show(read_log(port))
        screen.end()
        return
    with ExitStack() as stack:
        link = stack.enter_context(closing(_open(port, board, baud)))
        log_file = None if log is None else stack.enter_context(log.open("ab"))
        try:
            _watch(link, screen, log_file, None if seconds is None else time.monotonic() + seconds)
        except KeyboardInterrupt:
            click.echo("", err=True)  # behind the terminal's ^C
        finally:
            screen.end()


class _Screen(Protocol):
    def show(self, data: bytes) -> None:
        """Takes what has come, or nothing after a while without."""

    def end(self) -> None:
        """Shows what is left."""


def _open(port: str, board_id: str | None, baud: int | None) -> Link:
    from pipeline.boards import board, boards
    from pipeline.device.serial_port import open_port

    known = [board(board_id)] if board_id else boards()
    lines = [candidate.serial for candidate in known if candidate.serial is not None]
    if not lines:
        raise click.UsageError(f"{board_id} runs on this computer and has no serial port")
    usb_ids = tuple(dict.fromkeys(usb_id for line in lines for usb_id in line.usb_ids))
    rate = baud or (lines[0].baud if board_id else _DEFAULT_BAUD)
    return open_port(port, f"a {board_id}" if board_id else "a known board", rate, usb_ids)


def _watch(link: Link, screen: _Screen, log: BinaryIO | None, end: float | None) -> None:
    """Shows what comes until the end, if there is one."""
    interruptions = link.interruptions
    while end is None or time.monotonic() < end:
        data = link.read(_READ_LIMIT_S)
        if link.interruptions != interruptions:
            interruptions = link.interruptions
            click.echo("-- the port went away and is back", err=True)
        if data and log is not None:
            log.write(data)
            log.flush()
        screen.show(data)


class _Bytes:
    """Writes the bytes as they come."""

    def show(self, data: bytes) -> None:
        click.echo(data, nl=False)

    def end(self) -> None:
        pass


class _Lines:
    """Prints lines as they are completed, and what is left after a silence."""

    def __init__(self) -> None:
        from pipeline.monitor import Decoder

        self._decoder = Decoder()
        self._last = time.monotonic()

    def show(self, data: bytes) -> None:
        now = time.monotonic()
        if data:
            self._last = now
            self._print(self._decoder.feed(data))
        elif now - self._last > _IDLE_S:
            self.end()

    def end(self) -> None:
        self._print(self._decoder.flush())

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            click.echo(f"{datetime.now():%H:%M:%S.%f}"[:-3] + f"  {line}")
