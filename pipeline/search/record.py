"""A search's steps on disk: those that are finished are taken up again."""

from __future__ import annotations

import dataclasses
from typing import Any

from pipeline.search.budget import Budget, Metric, cost_of_json
from pipeline.search.cuts import Cut
from pipeline.search.shrink import Proposal, Step, next_step
from pipeline.search.trials import Saved, Trials, keep, recalled
from pipeline.store import RunFolder, canonical_key


def kept_step(
    current: Step[Saved],
    metric: Metric,
    budget: Budget,
    share: float,
    moves: Trials,
    folder: RunFolder,
    key: str,
) -> Step[Saved]:
    """The step after `current`: of an earlier search, or made now and kept.

    Args:
        key: of all that a step's result depends on besides its beginning and its aim.
    """
    aim = max(budget.limits[metric], current.cost.of(metric) * (1 - share))
    whole = canonical_key(
        key, current.network.sha256, current.number, metric, aim, budget.min_receptive_field
    )
    name = f"steps/{current.number + 1:03}.json"
    found = recalled(folder, name, whole)
    if found is not None:
        step = step_of_json(found)
        if folder.file(step.network.name).is_file():
            return step
    moves.measure(current.network)  # what is not a layer's is of this network in all its proposals
    step = next_step(current, metric, budget, share, moves)
    network = Saved(f"steps/{step.number:03}.keras", step.network.sha256)
    folder.write(network.name, folder.file(step.network.name).read_bytes())
    step = dataclasses.replace(step, network=network)
    keep(folder, name, whole, step_json(step))
    for trial in folder.file("trials").glob("*.keras"):
        trial.unlink()
    return step


def step_json(step: Step[Saved]) -> dict[str, Any]:
    """Plain values for json.dumps."""
    return dataclasses.asdict(step)


def step_of_json(values: dict[str, Any]) -> Step[Saved]:
    """The inverse of `step_json`."""
    proposals = tuple(
        Proposal(
            Cut(**{**row["cut"], "layers": tuple(row["cut"]["layers"])}),
            cost_of_json(row["cost"]),
            row["accuracy"],
            row["loss"],
        )
        for row in values["proposals"]
    )
    rest = {"proposals": proposals, "network": Saved(**values["network"])}
    return Step(**{**values, **rest, "cost": cost_of_json(values["cost"])})
