"""Low rank: a kernel becomes the product of two smaller ones, by singular value decomposition.

Of a dense layer (in, out): dense (in, rank), dense (rank, out). Of a convolution, "channel": the
kernel with `rank` filters, then 1x1 (Zhang et al., arXiv:1505.06798); "spatial": one column of the
kernel with `rank` filters, then one row (Jaderberg et al., arXiv:1405.3866).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from pipeline.compress import Change, FineTuning, Technique, reasons, register
from pipeline.compress.shared.factors import Array, Factors, Scheme, factors_of
from pipeline.compress.shared.rank_sensitivity import Choice, measured_choices, spread
from pipeline.compress.shared.rebuild import Parts, called_once, calls, rebuilt, same
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.spec.rules import choice, number

Spread: TypeAlias = Literal["energy", "sensitivity"]


@dataclass(frozen=True)
class LowRank(FineTuning):
    """Attributes:
    scheme: of convolutions.
    energy: share of each kernel's sum of squared singular values to retain at least. Layers that
        would not have fewer weights then stay as they are.
    parameters: instead of `energy`, share of the weights of all kernels that can be factorized
        to be left at most.
    spread: how `parameters` is spread over layers. "energy": singular values are taken in the
        order of the energy, as a share of their kernel's, that they retain for a weight.
        "sensitivity": ranks are lowered where the loss on training images, measured one layer at
        a time, rises least for a weight; see `pipeline.compress.shared.rank_sensitivity`.
    """

    scheme: Annotated[Scheme, choice(Scheme)] = "channel"
    energy: Annotated[float, number(0.01, 1)] = 0.95
    parameters: Annotated[float | None, number(0.001, 1)] = None
    spread: Annotated[Spread, choice(Spread)] = "energy"


def factorized(network: Any, ranks: Mapping[str, tuple[Factors, int]], scheme: Scheme) -> Any:
    """The network with layers replaced by two.

    Args:
        ranks: name of a layer -> its decomposition and how many singular values are kept.
    """

    def parts(layer: Any) -> Parts:
        if layer.name not in ranks:
            return same(layer)
        factors, rank = ranks[layer.name]
        split = _split_dense if type(layer).__name__ == "Dense" else _split_convolution
        return split(layer, factors.left[:, :rank], factors.right[:rank], scheme)

    return rebuilt(network, parts)


def _split_dense(layer: Any, left: Array, right: Array, _scheme: Scheme) -> Parts:
    kind, config = type(layer), layer.get_config()
    first = {
        **config,
        "name": f"{layer.name}_factor",
        "units": left.shape[1],
        "activation": "linear",
        "use_bias": False,
    }
    bias = layer.get_weights()[1:]
    return [(kind.from_config(first), [left]), (kind.from_config(config), [right, *bias])]


def _split_convolution(layer: Any, left: Array, right: Array, scheme: Scheme) -> Parts:
    kind, config = type(layer), layer.get_config()
    (height, width), rank = layer.kernel_size, left.shape[1]
    channels, filters = layer.kernel.shape[2:]
    first = {
        **config,
        "name": f"{layer.name}_factor",
        "filters": rank,
        "activation": "linear",
        "use_bias": False,
    }
    if scheme == "channel":
        second = {**config, "kernel_size": (1, 1), "strides": (1, 1), "dilation_rate": (1, 1)}
        kernels = left.reshape(height, width, channels, rank), right.reshape(1, 1, rank, filters)
    else:
        strides, dilation = layer.strides, layer.dilation_rate
        first |= {"kernel_size": (height, 1), "strides": (strides[0], 1)}
        first |= {"dilation_rate": (dilation[0], 1)}
        second = {**config, "kernel_size": (1, width), "strides": (1, strides[1])}
        second |= {"dilation_rate": (1, dilation[1])}
        row = right.reshape(rank, width, filters).transpose(1, 0, 2)
        kernels = left.reshape(height, 1, channels, rank), row[np.newaxis]
    bias = layer.get_weights()[1:]
    return [
        (kind.from_config(first), [kernels[0]]),
        (kind.from_config(second), [kernels[1], *bias]),
    ]


def apply(settings: LowRank, network: Any, dataset: Dataset) -> Change:
    """The network with two thin kernels in place of each one that gets smaller by it.

    Raises:
        ModelError: no layer gets smaller.
    """
    skipped: dict[str, str] = {}
    found: list[Factors] = []
    single = called_once(network)
    for name, layer in {node.layer.name: node.layer for node in calls(network)}.items():
        reason = _unsuitable(layer, settings.scheme)
        if reason is None and name not in single:
            reason = "it is called in two places"
        if reason is not None and layer.weights and "Normalization" not in type(layer).__name__:
            skipped[name] = reason
        elif reason is None:
            found.append(factors_of(layer, settings.scheme))
    measured: list[tuple[Choice, ...]] = [()] * len(found)
    if settings.parameters is None:
        ranks = [_rank_of_energy(factors, settings.energy) for factors in found]
    elif settings.spread == "energy":
        ranks = _ranks_of_budget(found, settings.parameters)
    else:
        measured = measured_choices(network, found, dataset)
        ranks = _ranks_of_sensitivity(found, measured, settings.parameters)
    chosen: dict[str, tuple[Factors, int]] = {}
    for factors, rank in zip(found, ranks, strict=True):
        if rank * factors.weights_per_rank < factors.weights:
            chosen[factors.layer.name] = factors, rank
        else:
            skipped[factors.layer.name] = (
                f"at rank {rank} of {factors.full_rank} it has no fewer weights"
            )
    if not chosen:
        raise ModelError(
            f"compress: low_rank makes no layer of {network.name} smaller: {reasons(skipped)}",
            "lower energy or parameters",
        )
    return Change(
        factorized(network, chosen, settings.scheme),
        tuple(
            _row(factors, chosen.get(factors.layer.name), choices)
            for factors, choices in zip(found, measured, strict=True)
        ),
        skipped,
    )


def _row(
    factors: Factors, chosen: tuple[Factors, int] | None, measured: Sequence[Choice]
) -> dict[str, Any]:
    """A layer's scree data, for compression_N.json, and what lower ranks were measured to cost."""
    rank = None if chosen is None else chosen[1]
    return {
        "layer": factors.layer.name,
        "full_rank": factors.full_rank,
        "rank": rank,
        "retained_energy": 1.0 if rank is None else factors.retained(rank),
        "weights_before": factors.weights,
        "weights": factors.weights if rank is None else rank * factors.weights_per_rank,
        "singular_values": [float(f"{value:.5g}") for value in factors.singular_values],
        **(
            {"loss_at_rank": {c.rank: float(f"{c.loss:.4g}") for c in measured}} if measured else {}
        ),
    }


def _unsuitable(layer: Any, scheme: Scheme) -> str | None:
    """Why a layer's kernel cannot be factorized; None if it can."""
    kind = type(layer).__name__
    if kind not in ("Dense", "Conv2D"):
        return f"a {kind} has no kernel to factorize"
    if kind == "Conv2D" and layer.groups != 1:
        return "its kernel is one of groups"
    if kind == "Conv2D" and scheme == "spatial" and 1 in layer.kernel_size:
        return f"a {layer.kernel_size[0]}x{layer.kernel_size[1]} kernel has one column or row"
    return None


def _rank_of_energy(factors: Factors, energy: float) -> int:
    retained = np.cumsum(factors.energies)
    return int(np.searchsorted(retained, min(energy, float(retained[-1])) - 1e-12)) + 1


def _ranks_of_sensitivity(
    found: Sequence[Factors], measured: Sequence[Sequence[Choice]], share: float
) -> list[int]:
    """As `_ranks_of_budget`, by the measured loss."""
    whole = [factors.weights for factors in found]
    chosen = spread(measured, whole, share * sum(whole))
    if chosen is None:
        lowest = [min([w, *(c.weights for c in cs)]) for w, cs in zip(whole, measured, strict=True)]
        raise _too_few(share, sum(lowest) / sum(whole))
    return [
        factors.full_rank if choice is None else choice.rank
        for factors, choice in zip(found, chosen, strict=True)
    ]


def _too_few(share: float, least: float) -> ModelError:
    return ModelError(
        f"compress: low_rank cannot leave {share:g} of the weights",
        f"the lowest ranks leave {least:.3f}: raise parameters",
    )


def _ranks_of_budget(found: Sequence[Factors], share: float) -> list[int]:
    """The ranks within a budget of weights; a layer whose factors are no smaller counts whole."""
    budget = share * sum(factors.weights for factors in found)
    ranks = [1] * len(found)
    steps = sorted(
        (-energy / factors.weights_per_rank, rank, index)
        for index, factors in enumerate(found)
        for rank, energy in enumerate(factors.energies[1:].tolist(), 2)
    )
    used = sum(min(f.weights, f.weights_per_rank) for f in found)
    if used > budget:
        raise _too_few(share, used / max(1, sum(factors.weights for factors in found)))
    full: set[int] = set()
    for _, _, index in steps:
        factors, rank = found[index], ranks[index] + 1
        added = min(factors.weights, rank * factors.weights_per_rank) - min(
            factors.weights, ranks[index] * factors.weights_per_rank
        )
        if index in full or used + added > budget:
            full.add(index)
            continue
        ranks[index], used = rank, used + added
    return ranks


register(
    Technique(
        name="low_rank",
        summary="kernels split in two by their largest singular values",
        settings=LowRank,
        apply=apply,
    )
)
