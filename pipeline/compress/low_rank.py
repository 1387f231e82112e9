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
import numpy.typing as npt

from pipeline.compress import Change, FineTuning, Technique, register
from pipeline.compress.shared.rebuild import Parts, called_once, calls, rebuilt, same
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.spec.rules import choice, number

Scheme: TypeAlias = Literal["channel", "spatial"]
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LowRank(FineTuning):
    """Attributes:
    scheme: of convolutions.
    energy: share of each kernel's sum of squared singular values to retain at least. Layers that
        would not have fewer weights then stay as they are.
    parameters: instead of `energy`, share of the weights of all kernels that can be factorized
        to be left at most. The ranks are those that retain the most: singular values are taken
        in the order of the energy, as a share of their kernel's, that they retain for a weight.
    """

    scheme: Annotated[Scheme, choice(Scheme)] = "channel"
    energy: Annotated[float, number(0.01, 1)] = 0.95
    parameters: Annotated[float | None, number(0.001, 1)] = None


@dataclass(frozen=True, eq=False)
class Factors:
    """A kernel's singular value decomposition.

    Attributes:
        left: (rows, full rank), scaled by the singular values; right: (full rank, columns).
        singular_values: largest first.
        weights: of the kernel itself.
    """

    layer: Any
    left: Array
    right: Array
    singular_values: npt.NDArray[np.float64]
    weights: int

    @property
    def full_rank(self) -> int:
        return len(self.singular_values)

    @property
    def weights_per_rank(self) -> int:
        """Weights of the two kernels at rank 1."""
        return len(self.left) + len(self.right[0])

    @property
    def energies(self) -> npt.NDArray[np.float64]:
        """Share of the squared norm that each singular value has."""
        squares = np.square(self.singular_values)
        total = squares.sum()
        return squares / total if total > 0 else np.full(len(squares), 1 / len(squares))

    def retained(self, rank: int) -> float:
        """Share of the squared norm, 0..1."""
        return float(self.energies[:rank].sum())


def factors_of(layer: Any, scheme: Scheme) -> Factors:
    """The decomposition of a Dense or an ordinary Conv2D layer's kernel."""
    kernel = layer.kernel.numpy()
    if type(layer).__name__ == "Dense":
        matrix = kernel
    elif scheme == "channel":
        matrix = kernel.reshape(-1, kernel.shape[-1])
    else:
        height, width, channels, filters = kernel.shape
        # Rows are (height, input channel), columns (width, filter).
        matrix = kernel.transpose(0, 2, 1, 3).reshape(height * channels, width * filters)
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    return Factors(
        layer,
        (left * values).astype(np.float32),
        right.astype(np.float32),
        values,
        kernel.size,
    )


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


def apply(settings: LowRank, network: Any, _dataset: Dataset) -> Change:
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
    if settings.parameters is None:
        ranks = [_rank_of_energy(factors, settings.energy) for factors in found]
    else:
        ranks = _ranks_of_budget(found, settings.parameters)
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
            f"compress: low_rank makes no layer of {network.name} smaller", "lower energy"
        )
    return Change(
        factorized(network, chosen, settings.scheme),
        tuple(_row(factors, chosen.get(factors.layer.name)) for factors in found),
        skipped,
    )


def _row(factors: Factors, chosen: tuple[Factors, int] | None) -> dict[str, Any]:
    """A layer's scree data, for compression.json."""
    rank = None if chosen is None else chosen[1]
    return {
        "layer": factors.layer.name,
        "full_rank": factors.full_rank,
        "rank": rank,
        "retained_energy": 1.0 if rank is None else factors.retained(rank),
        "weights_before": factors.weights,
        "weights": factors.weights if rank is None else rank * factors.weights_per_rank,
        "singular_values": [float(f"{value:.5g}") for value in factors.singular_values],
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
        least = used / max(1, sum(factors.weights for factors in found))
        raise ModelError(
            f"compress: low_rank cannot leave {share:g} of the weights",
            f"rank 1 everywhere leaves {least:.3f}: raise parameters",
        )
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
