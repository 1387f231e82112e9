"""Over-fitting, under-fitting and divergence, by one stated rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Verdict = Literal["diverged", "over-fitted", "under-fitted", "fitted"]

CHANCE_FACTOR = 2.0
GAP = 0.02
STILL_RISING = 0.005

RULE = (
    "diverged: the loss was no number, or the final training accuracy is below twice that of "
    "guessing one of the classes; over-fitted: the final training accuracy is at least 2 points "
    "above the test accuracy; under-fitted: the final training accuracy is at least 2 points below "
    "the best that a setting of the same model reached, or the test accuracy still rose by half a "
    "point or more over the last fifth of the training; fitted: none of these, in this order."
)


def verdict(
    result: Mapping[str, Any] | None, error: str | None, best_of_model: float
) -> Verdict | None:
    """The verdict on one trial; None where it has not ended, failed for another reason, or has no
    accuracy.

    Args:
        result: see `pipeline.sweep.trial.training_result`.
        best_of_model: the best final training accuracy of all settings of its model, 0..1.
    """
    if result is None:
        return "diverged" if error is not None and "no longer a number" in error else None
    trained, tested = result["train_accuracy"], result["accuracy"]
    if trained is None or tested is None:
        return None  # of no classifier
    classes = result.get("classes")
    if classes is not None and trained < CHANCE_FACTOR / classes:
        return "diverged"
    if trained - tested >= GAP:
        return "over-fitted"
    if best_of_model - trained >= GAP or _rise(result["curve"]) >= STILL_RISING:
        return "under-fitted"
    return "fitted"


def _rise(curve: Sequence[Sequence[float]]) -> float:
    """Points that the test accuracy gained over the last fifth; of a handful of points, 0."""
    tested = [point[2] for point in curve]
    fifth = len(tested) // 5
    if fifth == 0:
        return 0.0
    before, last = tested[-2 * fifth : -fifth], tested[-fifth:]
    return sum(last) / fifth - sum(before) / fifth
