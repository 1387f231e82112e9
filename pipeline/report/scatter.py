"""Accuracy against a cost: which runs nothing else beats, and where they stand in a drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.report.charts import Axes, Tick, nice_ticks

_LOG_FROM = 20  # largest over smallest cost: beyond that the axis is logarithmic
_MOST_LOG_TICKS = 7
_WIDTH, _HEIGHT = 440, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 58.0, 12.0, 424.0, 252.0
_MARGIN = 16  # between the axes and the outermost points
_GLYPH, _LINE = 9.0, 14.0  # of the larger letters on narrow screens
# Where a label stands beside its point: distance, and which end of it is there.
_PLACES = ((0, -9, "middle"), (9, 4, "start"), (-9, 4, "end"), (0, 18, "middle"))


@dataclass(frozen=True)
class Run:
    """What is drawn of one run; `number` is its place in the table, from 1 on."""

    number: int
    name: str
    cost: float
    accuracy: float


@dataclass(frozen=True)
class Mark:
    """A run's point, its number beside it, and what is said when it is pointed at."""

    x: float
    y: float
    label: str
    label_x: float
    label_y: float
    anchor: str
    on_front: bool
    text: str


@dataclass(frozen=True)
class Scatter(Axes):
    """Runs by cost and accuracy; `front` is the SVG path of the Pareto front."""

    title: str
    marks: tuple[Mark, ...]
    front: str
    x_title: str


def pareto_front(runs: Sequence[Run]) -> set[int]:
    """Numbers of the runs that no other beats: being at least as accurate at no more cost, and
    better in one of the two."""
    return {
        run.number
        for run in runs
        if not any(
            other.accuracy >= run.accuracy
            and other.cost <= run.cost
            and (other.accuracy, other.cost) != (run.accuracy, run.cost)
            for other in runs
        )
    }


def scatter(title: str, x_title: str, runs: Sequence[Run]) -> Scatter:
    """The drawing of at least one run; accuracies are 0..1, costs above 0."""
    x, x_ticks = _cost_axis([run.cost for run in runs])
    levels = nice_ticks(min(r.accuracy for r in runs), max(r.accuracy for r in runs))
    decimals = max(0, -math.floor(math.log10(levels[1] - levels[0]) + 1e-9) - 2)

    def y(value: float) -> float:
        share = (value - levels[0]) / (levels[-1] - levels[0])
        return round(_BOTTOM - 4 - share * (_BOTTOM - _TOP - 8), 1)

    best = pareto_front(runs)
    return Scatter(
        title=title,
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        top=_TOP,
        right=_RIGHT,
        bottom=_BOTTOM,
        x_ticks=x_ticks,
        y_ticks=tuple(Tick(y(level), f"{100 * level:.{decimals}f} %") for level in levels),
        marks=_marks(runs, [(x(run.cost), y(run.accuracy)) for run in runs], best, x_title),
        front=_stairs([(x(r.cost), y(r.accuracy)) for r in runs if r.number in best]),
        x_title=x_title,
    )


def _cost_axis(costs: Sequence[float]) -> tuple[Callable[[float], float], tuple[Tick, ...]]:
    """Cost -> x, and the ticks."""
    low, high = min(costs), max(costs)
    logarithmic = high / low > _LOG_FROM
    levels = _log_ticks(low, high) if logarithmic else nice_ticks(low, high)
    if not logarithmic and levels[0] < 0:
        levels = nice_ticks(0, high)
    scale: Callable[[float], float] = math.log if logarithmic else float
    begin, end = (low, high) if logarithmic else (levels[0], levels[-1])

    def x(cost: float) -> float:
        share = (scale(cost) - scale(begin)) / (scale(end) - scale(begin))
        return round(_LEFT + _MARGIN + share * (_RIGHT - _LEFT - 2 * _MARGIN), 1)

    return x, tuple(Tick(x(level), _short(level)) for level in levels)


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between the ends, or the powers alone where these are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        levels = [step * 10.0**power for power in powers for step in steps]
        levels = [level for level in levels if low <= level <= high]
        if len(levels) <= _MOST_LOG_TICKS:
            break
    return levels


def _short(value: float) -> str:
    """1,500,000 as "1.5 M"."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def _stairs(points: Sequence[tuple[float, float]]) -> str:
    """The best accuracy for every cost, up to the right end."""
    ordered = sorted(points)
    (x, y), *others = ordered
    steps = "".join(f"H{right}V{up}" for right, up in others)
    return f"M{x} {y}{steps}H{_RIGHT}"


def _marks(
    runs: Sequence[Run],
    points: Sequence[tuple[float, float]],
    best: set[int],
    x_title: str,
) -> tuple[Mark, ...]:
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    marks = []
    for run, (x, y) in zip(runs, points, strict=True):
        label = str(run.number)
        label_x, label_y, anchor = _free_place(x, y, len(label) * _GLYPH, taken)
        text = f"{label} {run.name}: {100 * run.accuracy:.2f} %, {run.cost:,.0f} {x_title}"
        on_front = run.number in best
        marks.append(Mark(x, y, label, label_x, label_y, anchor, on_front, text))
    return tuple(marks)


def _free_place(
    x: float, y: float, wide: float, taken: list[tuple[float, float, float, float]]
) -> tuple[float, float, str]:
    """Where a label is in nothing's way, which is taken then; above the point where there is no
    such place."""
    boxes = []
    for right, down, anchor in _PLACES:
        at_x, at_y = round(x + right, 1), round(y + down, 1)
        left = at_x - {"start": 0.0, "end": wide, "middle": wide / 2}[anchor]
        boxes.append(((at_x, at_y, anchor), (left, at_y - _LINE + 3, left + wide, at_y + 2)))
    free = [
        (place, box)
        for place, box in boxes
        if box[0] > _LEFT
        and box[2] < _WIDTH
        and box[1] > 0
        and not any(_overlap(box, other) for other in taken)
    ]
    place, box = (free or boxes)[0]
    taken.append(box)
    return place


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
