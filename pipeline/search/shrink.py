"""Progressive shrinking, apart from networks: what is cut, costs and trains is the caller's.

NetAdapt (Yang et al., arXiv:1804.03230, algorithm 1) with one difference: a step removes a share of
the cost instead of a fixed amount that decays, so that one setting suits all sizes.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pipeline.errors import PipelineError
from pipeline.search.budget import Budget, Cost, Metric, told
from pipeline.search.cuts import Cut

N = TypeVar("N")

_FOUR = 4
_HALVINGS = 6  # of a step's share, where no cut saves as much


@dataclass(frozen=True)
class Tuned(Generic[N]):
    """A network after a short training.

    Attributes:
        accuracy, loss: on the images that were held out; accuracy 0..1, loss in nats.
    """

    network: N
    accuracy: float
    loss: float


@dataclass(frozen=True)
class Proposal:
    """The smallest cut of one group that meets a step's limit.

    Attributes:
        cost: as looked up, before the cut network was trained.
    """

    cut: Cut
    cost: Cost
    accuracy: float
    loss: float


@dataclass(frozen=True)
class Step(Generic[N]):
    """One step; with number 0 the network that the search starts from, which has no proposals.

    Attributes:
        metric: that was to be lowered, to `limit` or below.
        winner: place among the proposals.
        network, cost, accuracy: of the winner; the cost is measured once more, on the whole
            trained network.
    """

    number: int
    metric: Metric | None
    limit: float
    proposals: tuple[Proposal, ...]
    winner: int
    network: N
    cost: Cost
    accuracy: float


class Moves(Protocol[N]):
    """What can be done to a network."""

    def cuts(self, network: N) -> Iterable[Sequence[Cut]]:
        """For every group its cuts, the smallest first."""

    def cost(self, network: N, cut: Cut) -> Cost:
        """What the cut network would cost."""

    def tune(self, network: N, cut: Cut, step: int) -> Tuned[N]:
        """The cut network after a short training."""

    def measure(self, network: N) -> Cost:
        """What the network costs as a whole."""


def shrink(
    start: Step[N], budget: Budget, take: Callable[[Step[N], Metric], Step[N]]
) -> Iterator[Step[N]]:
    """Steps until the budget is met; none where it is met from the start.

    Args:
        take: makes the step from a network, by which the metric is to fall: `next_step`.
    """
    current = start
    while (metric := budget.exceeded(current.cost)) is not None:
        current = take(current, metric)
        yield current


def next_step(
    current: Step[N], metric: Metric, budget: Budget, share: float, moves: Moves[N]
) -> Step[N]:
    """One step from `current`.

    Args:
        share: of the exceeded cost that is removed at least, 0..1. Where no group can save as much
            by itself, less.

    Raises:
        PipelineError: no cut lowers the cost any more.
    """
    limit, options = smallest_cuts(current, metric, budget, share, moves)
    number = current.number + 1
    tuned = [moves.tune(current.network, cut, number) for cut, _ in options]
    best = max(tuned, key=lambda one: (one.accuracy, -one.loss))
    return Step(
        number=number,
        metric=metric,
        limit=limit,
        proposals=tuple(
            Proposal(cut, cost, one.accuracy, one.loss)
            for (cut, cost), one in zip(options, tuned, strict=True)
        ),
        winner=tuned.index(best),
        network=best.network,
        cost=moves.measure(best.network),
        accuracy=best.accuracy,
    )


def smallest_cuts(
    current: Step[N], metric: Metric, budget: Budget, share: float, moves: Moves[N]
) -> tuple[float, list[tuple[Cut, Cost]]]:
    """The step's limit, and of every group that can meet it the smallest cut that does."""
    before = current.cost.of(metric)
    for halvings in range(_HALVINGS + 1):
        limit = max(budget.limits[metric], before * (1 - share / 2**halvings))

        def cost(cut: Cut) -> Cost:
            return moves.cost(current.network, cut)

        def meets(cut: Cut, limit: float = limit) -> bool:
            return cost(cut).of(metric) <= limit and budget.sees_enough(cost(cut))

        found = [smallest_meeting(cuts, meets) for cuts in moves.cuts(current.network)]
        options = [(cut, cost(cut)) for cut in found if cut is not None]
        if options:
            return limit, options
    raise PipelineError(
        f"search: after step {current.number} no cut lowers {told(metric, before)} any further",
        "allow more, or begin with another network",
    )


def smallest_meeting(cuts: Sequence[Cut], meets: Callable[[Cut], bool]) -> Cut | None:
    """The first of the cuts that meets a limit; None where none does.

    Costs are looked up for few of them. Kernels are made for fours of channels: cuts down to
    multiples of four are taken to cost the less the further they go, and what lies between is tried
    one by one only next to the first of those that meets the limit.
    """
    fours = [place for place, cut in enumerate(cuts) if cut.after % _FOUR == 0]
    first = bisect.bisect_left(fours, True, key=lambda place: meets(cuts[place]))
    begin = fours[first - 1] + 1 if first > 0 else 0
    end = fours[first] + 1 if first < len(fours) else len(cuts)
    return next((cut for cut in cuts[begin:end] if meets(cut)), None)
