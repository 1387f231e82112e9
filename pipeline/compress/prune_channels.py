"""Structured pruning: whole channels are removed, and the network is built anew without them.

Li et al., "Pruning Filters for Efficient ConvNets", arXiv:1608.08710 (importance "l1"); Liu et al.,
"Learning Efficient Convolutional Networks through Network Slimming", arXiv:1708.06519 ("bn_gamma").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from pipeline.compress import Change, FineTuning, Technique, reasons, register
from pipeline.compress.shared.channels import Channels, Wiring, cut, trace
from pipeline.compress.shared.rebuild import calls, rebuilt, same
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.spec.rules import choice, integer, number

Importance: TypeAlias = Literal["l1", "bn_gamma"]
Scope: TypeAlias = Literal["layer", "network"]


@dataclass(frozen=True)
class PruneChannels(FineTuning):
    """Attributes:
    ratio: share of the channels to remove.
    importance: of a channel: "l1", the sum of its filter's absolute weights over the mean of its
        layer's filters; "bn_gamma", the absolute scale of the batch normalization behind it, and
        layers without one keep their channels. Of channels that go together it is the mean.
    scope: "layer" takes the ratio of every layer, "network" the least important channels of all.
    multiple: as many channels more are kept as make a layer's number a multiple of this.
    """

    ratio: Annotated[float, number(0, 0.99)] = 0.5
    importance: Annotated[Importance, choice(Importance)] = "l1"
    scope: Annotated[Scope, choice(Scope)] = "layer"
    multiple: Annotated[int, integer(1, 1024)] = 1


def apply(settings: PruneChannels, network: Any, _dataset: Dataset) -> Change:
    """The network without its least important channels.

    Raises:
        ModelError: no channel can be removed.
    """
    channels = trace(network)
    scores = importances(channels, network, settings.importance)
    removed = _chosen(channels, scores, settings)
    skipped = _skipped(network, channels, scores)
    if not removed:
        why = f": {reasons(skipped)}" if skipped else ""
        raise ModelError(
            f"compress: prune_channels leaves {network.name} every channel{why}",
            "raise ratio, or lower multiple",
        )
    return Change(
        without_channels(network, channels, removed),
        tuple(
            {
                "layer": name,
                "channels_before": len(wiring.writes),
                "channels": int((~np.isin(wiring.writes, list(removed))).sum()),
            }
            for name, wiring in channels.producers.items()
            if not removed.isdisjoint(wiring.writes.tolist())
        ),
        skipped,
    )


def without_channels(network: Any, channels: Channels, removed: frozenset[int]) -> Any:
    """A smaller network.

    Args:
        removed: numbers of channels, as `trace` gives them; every layer must keep some.
    """

    def parts(layer: Any) -> Any:
        wiring = channels.wirings.get(layer.name)
        return same(layer) if wiring is None else [cut(wiring, removed)]

    return rebuilt(network, parts)


def importances(channels: Channels, network: Any, importance: Importance) -> dict[int, float]:
    """Number of a channel that can be removed -> importance; see `PruneChannels`."""
    found: dict[int, list[float]] = {}
    for wiring, values in (
        _filter_sums(channels) if importance == "l1" else _normalization_scales(channels, network)
    ):
        for channel, value in zip(wiring.writes.tolist(), values, strict=True):
            if channel not in channels.fixed:
                found.setdefault(channel, []).append(value)
    return {channel: sum(values) / len(values) for channel, values in found.items()}


def _filter_sums(channels: Channels) -> list[tuple[Wiring, list[float]]]:
    result = []
    for wiring in channels.producers.values():
        layer = wiring.layer
        is_separable = type(layer).__name__ == "SeparableConv2D"
        kernel = (layer.pointwise_kernel if is_separable else layer.kernel).numpy()
        sums = np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(0)
        result.append((wiring, (sums / (sums.mean() or 1.0)).tolist()))
    return result


def _normalization_scales(channels: Channels, network: Any) -> list[tuple[Wiring, list[float]]]:
    return [
        (wiring, np.abs(wiring.layer.gamma.numpy()).tolist())
        for wiring in channels.wirings.values()
        if type(wiring.layer).__name__ == "BatchNormalization" and wiring.layer.scale
    ]


def _chosen(
    channels: Channels, scores: Mapping[int, float], settings: PruneChannels
) -> frozenset[int]:
    """The numbers to remove."""
    groups = [
        sorted(channels.numbers(names) & scores.keys(), key=lambda n: (scores[n], n))
        for names in channels.tied()
    ]
    if settings.scope == "layer":
        counts = [math.floor(settings.ratio * len(group)) for group in groups]
    else:
        everything = sorted((n for group in groups for n in group), key=lambda n: (scores[n], n))
        least = set(everything[: math.floor(settings.ratio * len(everything))])
        counts = [len(least.intersection(group)) for group in groups]
    # Every layer's most important channel stays, so that none is left without.
    last = {
        max((n for n in wiring.writes.tolist()), key=lambda n: (scores.get(n, math.inf), n))
        for wiring in channels.producers.values()
    }
    removed: set[int] = set()
    for group, count, names in zip(groups, counts, channels.tied(), strict=True):
        width = len(channels.numbers(names))
        kept = math.ceil((width - count) / settings.multiple) * settings.multiple
        removed.update([n for n in group if n not in last][: max(0, width - kept)])
    return frozenset(removed)


def _skipped(network: Any, channels: Channels, scores: Mapping[int, float]) -> dict[str, str]:
    """Layers with kernels that keep all their output channels, and why."""
    reasons = {}
    for node in calls(network):
        layer = node.layer
        wiring = channels.wirings.get(layer.name)
        if wiring is None:
            if layer.weights:
                reasons[layer.name] = f"a {type(layer).__name__} cannot be cut"
        elif wiring.is_producer and scores.keys().isdisjoint(wiring.writes.tolist()):
            fixed = (channels.fixed.get(n) for n in wiring.writes.tolist())
            reason = next((why for why in fixed if why is not None), None)
            reasons[layer.name] = reason or "no batch normalization with a scale is behind it"
    return reasons


register(
    Technique(
        name="prune_channels",
        summary="whole channels removed, and a smaller network built",
        settings=PruneChannels,
        apply=apply,
    )
)
