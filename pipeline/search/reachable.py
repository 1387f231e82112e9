"""How little a network can cost: what is told before any training where a budget is too small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.compress.shared.rebuild import rebuilt, same
from pipeline.search.budget import Budget, Cost
from pipeline.search.cuts import Cut, apply_cut, cuts_of

# Fewer channels do not always cost less: kernels are made for pairs and fours of them.
_WIDTHS = (1, 2, 4, 8)


@dataclass(frozen=True)
class _Cheapest:
    """A network, and by which factor it exceeds the budget."""

    network: Any
    cost: Cost
    factor: float


def cheapest(
    network: Any, start: Cost, budget: Budget, multiple: int, cost_of: Callable[[Any], Cost]
) -> Cost:
    """A cost that can be reached: within the budget if one is found, else the least that is.

    At first all cuts are made as far as they go, or down to 2, 4 or 8 channels. Where none of these
    meets the budget, group after group takes the width that is cheapest, then kernel after kernel
    and branch after branch.

    Args:
        start: of the network.
        cost_of: looks up a network's cost, and may change its weights.
    """

    def judged(candidate: Any) -> _Cheapest:
        cost = cost_of(candidate)
        floor = 1.0 if budget.sees_enough(cost) else float("inf")
        over = max(cost.of(metric) / limit for metric, limit in budget.limits.items())
        return _Cheapest(candidate, cost, over * floor)

    best = _Cheapest(network, start, float("inf"))
    for width in _WIDTHS:
        found = judged(_all_cut(network, multiple, width, budget.min_receptive_field is None))
        best = min(best, found, key=lambda one: one.factor)
        if best.factor <= 1:
            return best.cost
    return min(best, _one_by_one(network, multiple, judged), key=lambda one: one.factor).cost


def _all_cut(network: Any, multiple: int, width: int, with_kernels: bool) -> Any:
    """Every group at that width or the next above it that it can have."""
    done: set[tuple[str, ...]] = set()
    while True:
        for cuts in reversed(cuts_of(network, multiple)):  # branches take groups with them
            fitting = [cut for cut in cuts if cut.kind != "channels" or cut.after >= width]
            allowed = with_kernels or cuts[0].kind == "channels"
            if fitting and allowed and fitting[-1].place not in done:
                done.add(fitting[-1].place)
                network = apply_cut(network, fitting[-1])
                break
        else:
            return network


def _one_by_one(network: Any, multiple: int, judged: Callable[[Any], _Cheapest]) -> _Cheapest:
    best = judged(rebuilt(network, same))
    done: set[tuple[str, ...]] = set()
    while (cuts := _next(best.network, multiple, done)) is not None:
        done.add(cuts[0].place)
        tried = [judged(apply_cut(best.network, cut)) for cut in _few(cuts)]
        best = min(best, *tried, key=lambda one: one.factor)
    return best


def _next(network: Any, multiple: int, done: set[tuple[str, ...]]) -> list[Cut] | None:
    groups = cuts_of(network, multiple)
    return next((cuts for cuts in groups if cuts[0].place not in done), None)


def _few(cuts: list[Cut]) -> Iterator[Cut]:
    """All of a kernel or branch; of channels the widths that suit kernels."""
    for cut in cuts:
        if cut.kind != "channels" or cut.after in _WIDTHS or cut is cuts[-1]:
            yield cut
