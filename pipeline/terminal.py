"""What the command line shows while it works: one line a stage, on standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_NAME_WIDTH = 10
_REDRAW_SECONDS = 0.1


class Terminal:
    """Progress of the stages of one command.

    On a terminal that can erase, the current stage's line is redrawn as it advances; elsewhere
    every stage gives one line when it ends, so that logs stay short.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._stage = ""
        self._started = 0.0
        self._drawn = 0.0
        self._first: tuple[float, int] | None = None

    def started(self, stage: str) -> None:
        """A stage begins to work."""
        self._stage = stage
        self._started = time.monotonic()
        self._first = None
        self._redraw("")

    def advanced(self, done: int, total: int, note: str = "") -> None:
        """The current stage has finished `done` of `total` units."""
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        if done == 0 or now - self._drawn < _REDRAW_SECONDS:
            return
        # Not since the stage began: what came before the first unit tells nothing of the others.
        seconds, units = now - self._first[0], done - self._first[1]
        left = f", {time_left(seconds / units * (total - done))}" if units and seconds > 2 else ""
        self._redraw(f"{done:,} of {total:,}{left}{f', {note}' if note else ''}")

    def busy(self, with_what: str) -> None:
        """The current stage works on this, and nobody knows how much is left."""
        self._redraw(with_what)

    def finished(self, summary: str) -> None:
        """The current stage is done."""
        seconds = f"{time.monotonic() - self._started:.1f} s"
        self._line(self._stage, f"{seconds:>8}  {summary}")

    def kept(self, stage: str, summary: str) -> None:
        """A stage has nothing to do: its result of an earlier run holds."""
        self._line(stage, f"{'kept':>8}  {summary}")

    def note(self, text: str) -> None:
        """A line that belongs to no stage."""
        if not self._quiet:
            self._clear()
            click.echo(text, err=True)

    def _line(self, stage: str, text: str) -> None:
        self.note(f"{stage:<{_NAME_WIDTH}}{text}".rstrip())

    def _redraw(self, text: str) -> None:
        if self._live:
            self._clear()
            click.echo(f"{self._stage:<{_NAME_WIDTH}}{text}", nl=False, err=True)
            self._drawn = time.monotonic()

    def _clear(self) -> None:
        if self._live:
            click.echo("\r\x1b[K", nl=False, err=True)


def time_left(seconds: float) -> str:
    """In seconds, and in minutes from two of them on."""
    if seconds < 120:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left"


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Iterable[int] = (),
) -> None:
    """A table on standard output. On a terminal, cells are folded between words where it is too
    wide; elsewhere it is as wide as it needs to be.

    Args:
        right: positions of the columns that hold numbers.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numbers, lines = set(right), [tuple(columns), *map(tuple, rows)]
    for position, column in enumerate(columns):
        table.add_column(
            column,
            justify="right" if position in numbers else "left",
            min_width=max(len(word) for line in lines for word in line[position].split(" ")),
        )
    for line in lines[1:]:
        table.add_row(*line)
    _console(table).print(table, crop=False)


def _console(table: Table) -> Console:
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        return console
    wide = Console(highlight=False, markup=False, emoji=False, width=10_000)
    needed = wide.measure(table).maximum
    return Console(highlight=False, markup=False, emoji=False, width=max(needed, 80))
