"""What each place on a sweep's last axis gained over repetitions, in numbers and in words."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pipeline.report.scatter import Run, Scatter, scatter

Accuracy: TypeAlias = Literal["same", "different", "undecided"]

QUANTITIES = (
    "accuracy",
    "accuracy_int8",
    "instructions",
    "flash_bytes",
    "ram_bytes",
    "packed_bytes",
    "parameters",
)
_COSTS = {"instructions": "instructions", "flash_bytes": "flash", "ram_bytes": "RAM"}
_WORTH = 0.02  # share of a cost from which on a change is told
_PACKED_WORTH = 0.05
_LEAST_POINTS = 0.1  # 10 of 10,000 images
_TOLERATED_POINTS = 0.5
# Student's t, 97.5 %, by degrees of freedom from 1 on.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
_T_OF_MANY = 2.26

RULE = (
    "Points are percentage points of int8 accuracy, means of the differences to the row that a row "
    "is held against, at the same seed, ± half the 95 % interval of that mean (Student's t). Below "
    "0.1 points, or within that interval and at most 0.5 points, it is as accurate; within it and "
    "beyond 0.5 points it is undecided. pays: at least 2 % fewer instructions, less flash or less "
    "RAM, at no more than 0.5 points less, or more accurate at the same cost; trades: such a gain "
    "for more than 0.5 points; mixed: one cost falls, another rises; does not pay: none of these."
)


@dataclass(frozen=True)
class Trial:
    """One repetition at one place.

    Attributes:
        places: axis -> name, in the axes' order.
        repetition: field -> value, by which repetitions differ.
        result: see `pipeline.sweep.trial.run_trial`; None where it failed or has not ended.
        error: its one line, where it failed.
    """

    places: Mapping[str, str]
    repetition: Mapping[str, Any]
    result: Mapping[str, Any] | None
    error: str | None = None


@dataclass(frozen=True)
class Summary:
    """Mean, smallest and largest of a quantity over the repetitions."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """All repetitions at one place.

    Attributes:
        group: names on all axes but the last one, joined.
        name: on the last axis.
        done: repetitions that have a result, and `planned`, how many there are.
        values: of `QUANTITIES`; None where unknown.
        verdict: in words, by `RULE`.
    """

    group: str
    name: str
    done: int
    planned: int
    values: Mapping[str, Summary | None]
    verdict: str


def gains(trials: Sequence[Trial], against: Mapping[str, str]) -> list[Gain]:
    """One for every place, in the order in which they come first.

    Args:
        against: name on the last axis -> the name it is held against; the first one without.
    """
    by_group: dict[str, dict[str, list[Trial]]] = {}
    for trial in trials:
        *others, name = trial.places.values()
        by_group.setdefault(", ".join(others), {}).setdefault(name, []).append(trial)
    return [
        _gain(group, name, repetitions, _reference(by_name, against, name))
        for group, by_name in by_group.items()
        for name, repetitions in by_name.items()
    ]


def _reference(
    by_name: Mapping[str, list[Trial]], against: Mapping[str, str], name: str
) -> tuple[str, list[Trial]]:
    first = next(iter(by_name))
    reference = against.get(name, first)
    return reference, by_name.get(reference, [])


def _gain(
    group: str, name: str, trials: Sequence[Trial], reference: tuple[str, Sequence[Trial]]
) -> Gain:
    done = [trial for trial in trials if trial.result is not None]
    held_against, others = reference
    if not done:
        failures = [trial.error for trial in trials if trial.error is not None]
        verdict = f"does not apply: {failures[0]}" if failures else "open"
    elif held_against == name:
        verdict = "what the others are held against"
    else:
        verdict = _verdict(done, [trial for trial in others if trial.result is not None])
    values = {quantity: _summary(done, quantity) for quantity in QUANTITIES}
    return Gain(group, name, len(done), len(trials), values, verdict)


def _value(trial: Trial, quantity: str) -> float | None:
    value: float | None = (trial.result or {}).get(quantity)
    return value


def _summary(trials: Sequence[Trial], quantity: str) -> Summary | None:
    values = [v for trial in trials if (v := _value(trial, quantity)) is not None]
    return Summary(statistics.fmean(values), min(values), max(values)) if values else None


def _verdict(trials: Sequence[Trial], others: Sequence[Trial]) -> str:
    pairs = [
        (trial, other)
        for trial in trials
        for other in others
        if trial.repetition == other.repetition
    ]
    if not pairs:
        return "open: nothing to hold it against yet"
    points, noise = _points(pairs)
    if points is None:
        return "no accuracy to judge by"
    accuracy = _judged(points, noise)
    told = _accuracy_text(points, noise, accuracy)
    changes = {name: _change(pairs, quantity) for quantity, name in _COSTS.items()}
    if all(change is None for change in changes.values()):
        return f"not on this device; {told}"
    known = {name: change for name, change in changes.items() if change is not None}
    less = [f"{100 * c:+.0f} % {name}" for name, c in known.items() if c <= -_WORTH]
    more = [f"{100 * c:+.0f} % {name}" for name, c in known.items() if c >= _WORTH]
    packed = _change(pairs, "packed_bytes")
    if packed is not None and not less and packed <= -_PACKED_WORTH:
        told += f"; the packed file is {-100 * packed:.0f} % smaller"
    return f"{_word(points, accuracy, bool(less), bool(more))}: {', '.join([*less, *more, told])}"


def _judged(points: float, noise: float | None) -> Accuracy:
    """See `RULE`; of one seed whatever is at least 0.1 points counts."""
    if abs(points) >= max(_LEAST_POINTS, noise or 0.0):
        return "different"
    return "same" if abs(points) <= _TOLERATED_POINTS else "undecided"


def _accuracy_text(points: float, noise: float | None, accuracy: Accuracy) -> str:
    words = {"same": "as accurate, ", "undecided": "accuracy undecided, ", "different": ""}
    uncertain = "one seed" if noise is None else f"±{noise:.2f}"
    return f"{words[accuracy]}{round(points, 2) + 0.0:+.2f} points ({uncertain})"


def _word(points: float, accuracy: Accuracy, gains: bool, costs: bool) -> str:
    """Whether it pays.

    Args:
        gains, costs: whether any cost on the device fell, and whether any rose.
    """
    if gains and costs:
        return "mixed"
    if gains and points < -_TOLERATED_POINTS:
        return "trades" if accuracy == "different" else "undecided"
    if gains or (points > 0 and accuracy == "different" and not costs):
        return "pays"
    return "does not pay"


def _points(pairs: Sequence[tuple[Trial, Trial]]) -> tuple[float | None, float | None]:
    """Mean difference of int8 accuracy in percentage points, and half its 95 % interval; that is
    None for one pair."""
    differences = []
    for trial, other in pairs:
        ours, theirs = _value(trial, "accuracy_int8"), _value(other, "accuracy_int8")
        if ours is not None and theirs is not None:
            differences.append(100 * (ours - theirs))
    count = len(differences)
    if count < 2:
        return (differences[0] if differences else None), None
    quantile = _T[count - 2] if count - 2 < len(_T) else _T_OF_MANY
    half = quantile * statistics.stdev(differences) / math.sqrt(count)
    return statistics.fmean(differences), half


def _change(pairs: Sequence[tuple[Trial, Trial]], quantity: str) -> float | None:
    """Of a cost, as a share of the reference's."""
    values = [(_value(trial, quantity), _value(other, quantity)) for trial, other in pairs]
    known = [(ours, theirs) for ours, theirs in values if ours is not None and theirs]
    if not known:
        return None
    return sum(ours for ours, _ in known) / sum(theirs for _, theirs in known) - 1


HEADINGS = ("n", "float", "int8", "instructions", "flash", "RAM", "packed", "parameters")


def grouped(rows: Sequence[Gain]) -> dict[str, list[Gain]]:
    """Group -> its rows, in their order."""
    groups: dict[str, list[Gain]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return groups


def gain_scatters(rows: Sequence[Gain]) -> list[Scatter]:
    """Mean int8 accuracy against mean instructions and flash, for every group; the numbers are
    those of its rows, from 1 on."""
    charts = []
    for group, places in grouped(rows).items():
        for quantity, title in (("instructions", "instructions"), ("flash_bytes", "flash bytes")):
            runs = []
            for number, gain in enumerate(places, 1):
                accuracy, cost = gain.values["accuracy_int8"], gain.values[quantity]
                if accuracy is not None and cost is not None:
                    runs.append(Run(number, gain.name, cost.mean, accuracy.mean))
            if runs:
                charts.append(scatter(f"{group}: int8 accuracy and {title}", title, runs))
    return charts


def cells(gain: Gain) -> tuple[str, ...]:
    """The numbers of a row, in the order of `HEADINGS`: means, for accuracies with the smallest and
    the largest value."""
    count = f"{gain.done}" if gain.done == gain.planned else f"{gain.done} of {gain.planned}"
    accuracies = [_percent(gain.values[name]) for name in ("accuracy", "accuracy_int8")]
    costs = [_count(gain.values[name]) for name in QUANTITIES[2:]]
    return (count, *accuracies, *costs)


def _percent(summary: Summary | None) -> str:
    if summary is None:
        return "-"
    mean, low, high = (100 * x for x in (summary.mean, summary.low, summary.high))
    return f"{mean:.2f} %" + ("" if low == high else f" ({low:.2f} to {high:.2f})")


def _count(summary: Summary | None) -> str:
    return "-" if summary is None else f"{summary.mean:,.0f}"
