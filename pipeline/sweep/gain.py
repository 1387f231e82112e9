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
_NEAR_ACCURACY, _FAR_ACCURACY = 0.002, 0.1  # in the drawings
_LEAST_POINTS = 0.1  # 10 of 10,000 images
_TOLERATED_POINTS = 0.5
_LEAST_FOR_INTERVAL = 3
# Student's t, 97.5 %, by degrees of freedom from 2 on; more than 10 differences take the last.
_T = (4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)

RULE = (
    "Points are percentage points of int8 accuracy, means of the differences to the row that a "
    "row is held against, at the same seed, ± half the 95 % interval of that mean (Student's t, "
    "from three seeds on). A difference is real where it is at least 0.1 points and beyond that "
    "interval, of the same sign at both of two seeds, or of one seed beyond 0.5 points. What is "
    "not real is as accurate up to 0.5 points and undecided beyond. pays: at least 2 % fewer "
    "instructions, less flash or less RAM at no more than 0.5 points less, or more accurate at "
    "the same cost; trades: such a gain for more than 0.5 points; mixed: one cost falls, another "
    "rises; does not pay: none of these."
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
    differences = _differences(pairs)
    if not differences:
        return "no accuracy to judge by"
    points, noise = statistics.fmean(differences), _noise(differences)
    accuracy = _judged(points, noise, differences)
    told = _accuracy_text(points, noise, len(differences), accuracy)
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


def _judged(points: float, noise: float | None, differences: Sequence[float]) -> Accuracy:
    """See `RULE`."""
    if len(differences) == 1:
        is_real = abs(points) > _TOLERATED_POINTS
    elif noise is None:
        is_real = min(differences) > 0 or max(differences) < 0
    else:
        is_real = abs(points) >= noise
    if is_real and round(abs(points), 6) >= _LEAST_POINTS:
        return "different"
    return "same" if abs(points) <= _TOLERATED_POINTS else "undecided"


def _accuracy_text(points: float, noise: float | None, seeds: int, accuracy: Accuracy) -> str:
    words = {"same": "as accurate, ", "undecided": "accuracy undecided, ", "different": ""}
    uncertain = ("one seed", "two seeds")[seeds - 1] if noise is None else f"±{noise:.2f}"
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


def _differences(pairs: Sequence[tuple[Trial, Trial]]) -> list[float]:
    """Of int8 accuracy, in percentage points."""
    values = [(_value(a, "accuracy_int8"), _value(b, "accuracy_int8")) for a, b in pairs]
    known = [(a, b) for a, b in values if a is not None and b is not None]
    return [100 * (ours - theirs) for ours, theirs in known]


def _noise(differences: Sequence[float]) -> float | None:
    """Half the 95 % interval of their mean. None for fewer than three, of which Student's interval
    is so wide (12.7 times the standard error for two) that nothing is ever outside."""
    count = len(differences)
    if count < _LEAST_FOR_INTERVAL:
        return None
    place = count - _LEAST_FOR_INTERVAL
    quantile = _T[place] if place < len(_T) else _T[-1]
    return quantile * statistics.stdev(differences) / math.sqrt(count)


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
    those of its rows, from 1 on. Rows that would lie on the first one's point are left out, and
    those far below the best: they would leave no room between the others."""
    charts = []
    for group, places in grouped(rows).items():
        known = [s.mean for gain in places if (s := gain.values["accuracy_int8"]) is not None]
        for quantity, title in (("instructions", "instructions"), ("flash_bytes", "flash bytes")):
            runs: list[Run] = []
            for number, gain in enumerate(places, 1):
                accuracy, cost = gain.values["accuracy_int8"], gain.values[quantity]
                if accuracy is None or cost is None or accuracy.mean < max(known) - _FAR_ACCURACY:
                    continue
                run = Run(number, gain.name, cost.mean, accuracy.mean)
                if not (runs and _near(run, runs[0])):
                    runs.append(run)
            if runs:
                charts.append(scatter(f"{group}: int8 accuracy and {title}", title, runs))
    return charts


def _near(run: Run, other: Run) -> bool:
    return (
        abs(run.cost / other.cost - 1) < _WORTH
        and abs(run.accuracy - other.accuracy) < _NEAR_ACCURACY
    )


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
