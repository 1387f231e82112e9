"""How far multiply-accumulates would have misled a search that shrinks by them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from pipeline.search.shrink import Proposal, Step


@dataclass(frozen=True)
class Inversion:
    """Two proposals of one step, of which the one with fewer multiply-accumulates costs more.

    Attributes:
        fewer, more: by multiply-accumulates.
    """

    step: int
    fewer: Proposal
    more: Proposal

    @property
    def factor(self) -> float:
        """Instructions of the one with fewer multiply-accumulates over those of the other."""
        return self.fewer.cost.instructions / self.more.cost.instructions


@dataclass(frozen=True)
class MacComparison:
    """Attributes:
    proposals: how many were compared.
    rank_correlation: Spearman's, of multiply-accumulates and instructions saved by each proposal,
        as shares of what its step began with; None of fewer than three.
    pairs, inverted: pairs of proposals of one step, and those that multiply-accumulates order the
        other way round.
    worst: the inversion with the largest factor.
    """

    proposals: int
    rank_correlation: float | None
    pairs: int
    inverted: int
    worst: Inversion | None


def compare_macs(steps: Sequence[Step[Any]]) -> MacComparison:
    """Of all proposals of a search; `steps` begin with its starting network."""
    saved = [
        (1 - macs / before.cost.macs, 1 - p.cost.instructions / before.cost.instructions)
        for before, step in pairwise(steps)
        for p in step.proposals
        if before.cost.macs and (macs := p.cost.macs) is not None
    ]
    pairs = list(_pairs(steps))
    inverted = [one for one in pairs if one.factor > 1]
    return MacComparison(
        proposals=len(saved),
        rank_correlation=spearman(saved) if len(saved) > 2 else None,
        pairs=len(pairs),
        inverted=len(inverted),
        worst=max(inverted, key=lambda one: one.factor, default=None),
    )


def _pairs(steps: Iterable[Step[Any]]) -> Iterator[Inversion]:
    for step in steps:
        for one, other in combinations(step.proposals, 2):
            if one.cost.macs is None or other.cost.macs is None or one.cost.macs == other.cost.macs:
                continue
            fewer, more = sorted((one, other), key=lambda p: p.cost.macs or 0)
            yield Inversion(step.number, fewer, more)


def spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Pearson's correlation of the ranks, equal values sharing their mean rank; None where one of
    the two does not vary."""
    ranks = [_ranks([pair[side] for pair in pairs]) for side in (0, 1)]
    try:
        return statistics.correlation(*ranks)
    except statistics.StatisticsError:
        return None


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    places: dict[float, list[int]] = {}
    for place, value in enumerate(ordered):
        places.setdefault(value, []).append(place)
    return [statistics.fmean(places[value]) for value in values]
