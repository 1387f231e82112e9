"""Geometry of the report's drawings, in SVG user units; templates/report.html.j2 draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.aot.memory import Buffer

_MAX_TICKS = 6
_GLYPH = 7.8  # width of a capital of the 11-unit font, on the wide side
_LABEL_HEIGHT = 14


@dataclass(frozen=True)
class Tick:
    """A line of the grid: where, and what is written at it."""

    at: float
    label: str


@dataclass(frozen=True)
class Point:
    """A value in a chart and what is said when it is pointed at."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Line:
    """One series; `last` is its final value as text."""

    name: str
    points: tuple[Point, ...]
    last: str


@dataclass(frozen=True)
class Axes:
    """A drawing of `width` by `height` whose plotted area lies between (left, top) and (right,
    bottom)."""

    width: int
    height: int
    left: float
    top: float
    right: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class LineChart(Axes):
    """Series over epochs or updates.

    Attributes:
        boundary: x of the line between two phases of the training, None where there is one phase.
    """

    title: str
    lines: tuple[Line, ...]
    boundary: float | None
    x_title: str


@dataclass(frozen=True)
class BufferBox:
    """A buffer's rectangle; `label` is None where it would not fit inside."""

    kind: Literal["input", "between", "output", "scratch"]
    x: float
    y: float
    width: float
    height: float
    label: str | None
    text: str


@dataclass(frozen=True)
class ArenaChart(Axes):
    """Who has which bytes of the arena in which step; offset 0 is at the bottom.

    Attributes:
        peak_bytes: bytes of the arena that hold anything at the fullest step.
        peak_step: that step.
    """

    boxes: tuple[BufferBox, ...]
    peak_bytes: int
    peak_step: int


def nice_ticks(low: float, high: float, most: int = _MAX_TICKS) -> list[float]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten that enclose low..high."""
    span = (high - low) or abs(high) or 1.0
    power = math.floor(math.log10(span / most))
    for step in (m * 10.0**p for p in (power, power + 1) for m in (1, 2, 5)):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        last = max(last, first + 1)
        if last - first + 1 <= most:
            break
    return [round(i * step, 12) for i in range(first, last + 1)]


def learning_chart(
    title: str,
    series: Mapping[str, Sequence[float]],
    *,
    from_zero: bool,
    first_phase: int | None = None,
) -> LineChart:
    """Lines over epochs 1, 2, ...

    Args:
        series: name -> a value an epoch, all of the same length, 1 at least.
        from_zero: the axis begins at 0, not near the smallest value.
        first_phase: epochs before quantization-aware training begins.
    """
    points = {name: list(enumerate(line, 1)) for name, line in series.items()}
    boundary = None if first_phase is None else first_phase + 0.5
    return line_chart(title, points, x_title="epoch", from_zero=from_zero, boundary=boundary)


def line_chart(
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_title: str,
    from_zero: bool = False,
    boundary: float | None = None,
) -> LineChart:
    """Lines through points (x, y); x are whole numbers.

    Args:
        series: name -> points in the order of x, 1 at least.
        from_zero: the axis of y begins at 0, not near the smallest value.
        boundary: x of the line between two phases.
    """
    width, height = 440, 250
    left, top, right, bottom = 52.0, 12.0, 424.0, 214.0
    values = [value for line in series.values() for _, value in line]
    places = [place for line in series.values() for place, _ in line]
    first, last = min(places), max(places)
    levels = nice_ticks(0.0 if from_zero else min(values), max(values))
    decimals = max(0, -math.floor(math.log10(levels[1] - levels[0]) + 1e-9))

    def x(place: float) -> float:
        share = 0.5 if first == last else (place - first) / (last - first)
        return round(left + 12 + share * (right - left - 24), 1)

    def y(value: float) -> float:
        share = (value - levels[0]) / (levels[-1] - levels[0])
        return round(bottom - share * (bottom - top), 1)

    return LineChart(
        title=title,
        width=width,
        height=height,
        left=left,
        top=top,
        right=right,
        bottom=bottom,
        x_ticks=tuple(Tick(x(at), f"{at:,}") for at in _whole_ticks(first, last)),
        y_ticks=tuple(Tick(y(level), f"{level:.{decimals}f}") for level in levels),
        lines=tuple(
            Line(
                name,
                tuple(
                    Point(x(at), y(value), f"{x_title} {at:,}, {name}: {value:.4f}")
                    for at, value in line
                ),
                f"{line[-1][1]:.4f}",
            )
            for name, line in series.items()
        ),
        boundary=None if boundary is None else x(boundary),
        x_title=x_title,
    )


def _whole_ticks(first: float, last: float) -> list[int]:
    """At most ten places on an axis of whole numbers: all, where they are few."""
    begin, end = math.ceil(first), math.floor(last)
    if end - begin < 10:
        return list(range(begin, end + 1))
    levels = nice_ticks(begin, end, 7)
    return [int(level) for level in levels if begin <= level <= end and level == int(level)]


def arena_chart(buffers: Sequence[Buffer], arena_bytes: int, steps: int) -> ArenaChart:
    """The memory plan over the steps.

    Args:
        buffers: at least one.
        steps: of the program; one column more shows what is left after the last.
    """
    column = max(26.0, 1020 / (steps + 1))
    left, top, bottom = 62.0, 10.0, 290.0
    right = left + column * (steps + 1)

    def y(offset: float) -> float:
        return round(bottom - offset / arena_bytes * (bottom - top), 2)

    def box(buffer: Buffer) -> BufferBox:
        x = round(left + buffer.first * column, 2)
        wide = round((buffer.last - buffer.first + 1) * column, 2)
        high = max(y(buffer.offset) - y(buffer.offset + buffer.size_bytes), 1.5)
        above = y(buffer.offset) - high
        return BufferBox(
            _kind(buffer, steps),
            x,
            round(above, 2),
            wide,
            round(high, 2),
            _label(buffer, _free_steps(buffer, buffers) * column - 8)
            if high >= _LABEL_HEIGHT
            else None,
            _description(buffer, steps),
        )

    alive = [_held_bytes(buffers, step) for step in range(steps + 1)]
    return ArenaChart(
        width=math.ceil(right) + 12,
        height=330,
        left=left,
        top=top,
        right=round(right, 2),
        bottom=bottom,
        x_ticks=tuple(
            Tick(round(left + (step + 0.5) * column, 1), "end" if step == steps else str(step))
            for step in range(steps + 1)
        ),
        y_ticks=tuple(Tick(y(level), f"{level:,.0f}") for level in _levels(arena_bytes)),
        boxes=tuple(map(box, buffers)),
        peak_bytes=max(alive),
        peak_step=alive.index(max(alive)),
    )


def _held_bytes(buffers: Sequence[Buffer], step: int) -> int:
    """Bytes that hold anything in a step; those that an output takes over from an input once."""
    held = end = 0
    for buffer in sorted(buffers, key=lambda b: b.offset):
        if buffer.first <= step <= buffer.last:
            last = max(end, buffer.offset + buffer.size_bytes)
            held += last - max(end, buffer.offset)
            end = last
    return held


def _free_steps(buffer: Buffer, buffers: Sequence[Buffer]) -> int:
    """Steps until another buffer takes over bytes of it, or until its end; 0 where one that is
    drawn over it does so in its first step."""
    drawn_later = buffers[buffers.index(buffer) + 1 :]
    taken = [
        other.first
        for other in buffers
        if buffer.first <= other.first <= buffer.last
        and (buffer.first < other.first or other in drawn_later)
        and other.offset < buffer.offset + buffer.size_bytes
        and buffer.offset < other.offset + other.size_bytes
    ]
    return min(taken, default=buffer.last + 1) - buffer.first


def _levels(arena_bytes: int) -> list[float]:
    """Round offsets, and the arena's size in place of any that is too near."""
    levels = [level for level in nice_ticks(0, arena_bytes) if level < 0.94 * arena_bytes]
    return [*levels, arena_bytes]


def _kind(buffer: Buffer, steps: int) -> Literal["input", "between", "output", "scratch"]:
    if buffer.shape is None:
        return "scratch"
    if buffer.last == steps:
        return "output"
    return "input" if buffer.name.startswith("input ") else "between"


def _label(buffer: Buffer, width: float) -> str | None:
    """The longest text that fits; a narrow box still says which operator fills it."""
    kind, _, number = buffer.name.rpartition(" ")
    shortest = "in" if kind == "input" else f"#{number}"
    for text in (f"{buffer.name}: {buffer.size_bytes:,} B", buffer.name, shortest):
        if len(text) * _GLYPH <= width:
            return text
    return None


def _description(buffer: Buffer, steps: int) -> str:
    shape = "" if buffer.shape is None else " " + "x".join(map(str, buffer.shape))
    end = "the end" if buffer.last == steps else f"step {buffer.last}"
    return (
        f"{buffer.name}{shape}: {buffer.size_bytes:,} bytes at {buffer.offset:,}, "
        f"from step {buffer.first} to {end}"
    )
