"""What a lower rank of one kernel costs: measured, layer by layer, and spread over a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.compress.shared.factors import Factors
from pipeline.data import Dataset
from pipeline.training.evaluation import Evaluator, network_task

_IMAGES = 1000
# Of the full rank.
_SHARES = (1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4)


@dataclass(frozen=True)
class Choice:
    """A rank that a kernel may have.

    Attributes:
        weights: of its factors.
        loss: how much more the network's loss is with it, everything else as it was; between
            ranks that were measured, on the line between those.
    """

    rank: int
    weights: int
    loss: float


def measured_choices(
    network: Any, kernels: Sequence[Factors], dataset: Dataset
) -> list[tuple[Choice, ...]]:
    """For every kernel the ranks that have fewer weights than it has, from the lowest on.

    The loss is that of `pipeline.training.evaluation` on training images, without any training on:
    the test split is not looked at.
    """
    every = max(1, len(dataset.train_images) // _IMAGES)
    images = dataset.train_images[::every][:_IMAGES]
    labels = dataset.train_labels[::every][:_IMAGES]
    evaluator = Evaluator(network, dataset.scaling, network_task(network, dataset))
    whole, _ = evaluator(images, labels)
    found = []
    for one in kernels:
        original, losses = one.layer.kernel.numpy(), {one.full_rank: 0.0}
        for rank in {max(1, round(share * one.full_rank)) for share in _SHARES}:
            one.layer.kernel.assign(one.kernel(rank))
            loss, _ = evaluator(images, labels)
            losses[rank] = loss - whole
        one.layer.kernel.assign(original)
        found.append(_between(one, losses))
    return found


def _between(kernel: Factors, losses: Mapping[int, float]) -> tuple[Choice, ...]:
    """All ranks from the lowest measured one on that save weights.

    Args:
        losses: rank -> loss, the full rank among them.
    """
    measured = sorted(losses)
    ranks = range(measured[0], kernel.full_rank)
    between = np.interp(ranks, measured, [losses[rank] for rank in measured])
    return tuple(
        Choice(rank, rank * kernel.weights_per_rank, float(loss))
        for rank, loss in zip(ranks, between, strict=True)
        if rank * kernel.weights_per_rank < kernel.weights
    )


def spread(
    choices: Sequence[Sequence[Choice]], weights: Sequence[int], budget: float
) -> list[Choice | None] | None:
    """A choice for every kernel, None for one that stays as it is.

    From whole kernels on, the step is taken whose loss for a saved weight is least, until all
    together have no more weights than the budget; what the last step left of it is given back where
    that gains most. Losses of several kernels are taken to add up.

    Args:
        weights: of the whole kernels.

    Returns:
        None where the lowest choices of all have more weights than the budget.
    """
    # The whole kernel is a choice too.
    options = [(*some, Choice(0, whole, 0.0)) for some, whole in zip(choices, weights, strict=True)]
    now = [some[-1] for some in options]
    while sum(choice.weights for choice in now) > budget:
        step = _cheapest(now, options)
        if step is None:
            return None
        index, choice = step
        now[index] = choice
    while (step := _best_within(now, options, budget)) is not None:
        index, choice = step
        now[index] = choice
    return [None if choice.rank == 0 else choice for choice in now]


def _cheapest(
    now: Sequence[Choice], options: Sequence[Sequence[Choice]]
) -> tuple[int, Choice] | None:
    """The step down that loses least for a weight."""
    steps = [
        ((choice.loss - at.loss) / (at.weights - choice.weights), index, choice.weights, choice)
        for index, (at, some) in enumerate(zip(now, options, strict=True))
        for choice in some
        if choice.weights < at.weights
    ]
    if not steps:
        return None
    _, index, _, choice = min(steps, key=lambda step: step[:3])
    return index, choice


def _best_within(
    now: Sequence[Choice], options: Sequence[Sequence[Choice]], budget: float
) -> tuple[int, Choice] | None:
    """The step up that gains most and keeps to the budget: the last step down may have left some
    of it."""
    free = budget - sum(choice.weights for choice in now)
    steps = [
        (choice.loss - at.loss, index, choice.weights, choice)
        for index, (at, some) in enumerate(zip(now, options, strict=True))
        for choice in some
        if 0 < choice.weights - at.weights <= free and choice.loss < at.loss
    ]
    if not steps:
        return None
    _, index, _, choice = min(steps, key=lambda step: step[:3])
    return index, choice
