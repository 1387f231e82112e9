"""Weight clustering: every kernel has few different weights.

Han, Mao and Dally, "Deep Compression", arXiv:1510.00149, section 3: k-means from centroids that lie
evenly between the smallest and the largest weight; training on moves the centroids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from pipeline.compress import Change, FineTuning, Rows, Technique, reasons, register
from pipeline.compress.shared.kernels import Kernel, named_kernels
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.spec.rules import SWITCH, integer

Array = npt.NDArray[np.float32]

_ROUNDS = 100


@dataclass(frozen=True)
class Cluster(FineTuning):
    """Attributes:
    clusters: different weights of a kernel at most. Zeros of a pruned kernel are one of them.
    depthwise: whether depthwise kernels are clustered too.
    """

    clusters: Annotated[int, integer(2, 256)] = 16
    depthwise: Annotated[bool, SWITCH] = False


def apply(settings: Cluster, network: Any, _dataset: Dataset) -> Change:
    """The network with the weights of every kernel replaced by their cluster's mean.

    Raises:
        ModelError: no kernel has more different weights than clusters.
    """
    chosen: set[int] = set()
    skipped = {}
    for kernel in named_kernels(network):
        values = kernel.variable.numpy()
        if kernel.is_depthwise and not settings.depthwise:
            skipped[kernel.label] = "depthwise kernels are left out unless depthwise = true"
        elif (count := len(np.unique(values))) <= settings.clusters:
            skipped[kernel.label] = f"it has {count} different weights, no more than clusters"
        else:
            kernel.variable.assign(clustered(values, settings.clusters))
            chosen.add(kernel.place)
    if not chosen:
        raise ModelError(
            f"compress: cluster changes no layer of {network.name}: {reasons(skipped)}",
            "lower clusters",
        )
    return Change(network, skipped=skipped, measure=lambda trained: _measured(trained, chosen))


def clustered(kernel: Array, clusters: int) -> Array:
    """The kernel with at most so many different weights (Lloyd's algorithm). Zeros stay zeros."""
    weights = kernel.astype(np.float64).ravel()
    free = weights != 0
    if not free.all():
        clusters -= 1
    values = weights[free]
    centroids = np.linspace(values.min(), values.max(), clusters)
    for _ in range(_ROUNDS):
        members = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values)
        counts = np.bincount(members, minlength=clusters)
        sums = np.bincount(members, values, minlength=clusters)
        moved = np.where(counts > 0, sums / np.maximum(counts, 1), centroids)
        if np.array_equal(moved, centroids):
            break
        centroids = np.sort(moved)
    members = np.searchsorted((centroids[1:] + centroids[:-1]) / 2, values)
    weights[free] = centroids[members]
    return weights.reshape(kernel.shape).astype(np.float32)


def _measured(network: Any, places: set[int]) -> tuple[Rows, Mapping[str, Any]]:
    rows = tuple(_row(kernel) for kernel in named_kernels(network) if kernel.place in places)
    return rows, {
        column: sum(row[column] for row in rows) for column in ("int8_bytes", "indexed_bytes")
    }


def _row(kernel: Kernel) -> dict[str, Any]:
    """How many different weights a kernel has, and what indices into a table of them would take.

    `int8_values` counts those after quantization as it is by default, with a scale per output
    channel of convolutions and one of dense layers: a table of int8 would need them all.
    """
    values = kernel.variable.numpy()
    different = len(np.unique(values))
    is_dense = values.ndim == 2
    largest = np.abs(values).max(axis=None if is_dense else tuple(range(values.ndim - 1)))
    scale = np.where(largest > 0, largest / 127, 1.0)
    bits = max(1, math.ceil(math.log2(different)))
    return {
        "layer": kernel.label,
        "weights": values.size,
        "values": different,
        "int8_values": len(np.unique(np.rint(values / scale))),
        "int8_bytes": values.size,
        "indexed_bytes": math.ceil(values.size * bits / 8) + different,
    }


register(
    Technique(
        name="cluster",
        summary="few different weights a kernel",
        settings=Cluster,
        apply=apply,
        keeps=("zeros", "ties"),
    )
)
