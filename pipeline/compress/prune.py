"""Magnitude pruning: the smallest weights of every kernel become zero and stay so.

Zhu and Gupta, "To prune, or not to prune", arXiv:1710.01878 (schedule "polynomial"); Mishra et al.,
"Accelerating Sparse Deep Neural Networks", arXiv:2104.08378 (pattern "2:4").

Kernels for dense int8 weights multiply by zeros as by anything else: nothing gets faster or smaller
on the device. The gain is a file that packs better.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.compress import Change, FineTuning, Rows, Technique, reasons, register
from pipeline.compress.shared.kernels import Kernel, named_kernels
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.spec.rules import SWITCH, choice, number
from pipeline.training.constraints import Constraints

Pattern: TypeAlias = Literal["unstructured", "2:4"]
Schedule: TypeAlias = Literal["constant", "polynomial"]
Array = npt.NDArray[np.float32]

_STEPS = 100  # at most so often does the polynomial schedule take weights


@dataclass(frozen=True)
class Prune(FineTuning):
    """Attributes:
    sparsity: share of every kernel's weights that end as zeros, but for the largest weight of
        every output channel; of "2:4" it is a half.
    pattern: "2:4", of every 4 weights along the input channels the 2 smallest; kernels whose
        input channels are no multiple of 4 stay as they are.
    schedule: "constant" takes all at once, before training on; "polynomial" takes more and more
        while that goes on: after a share t of the ramp, sparsity * (1 - (1 - t)^3).
    ramp: share of the training on after which all are taken.
    depthwise: whether depthwise kernels are pruned too: few weights, each of which matters.
    """

    sparsity: Annotated[float, number(0, 0.999)] = 0.5
    pattern: Annotated[Pattern, choice(Pattern)] = "unstructured"
    schedule: Annotated[Schedule, choice(Schedule)] = "constant"
    ramp: Annotated[float, number(0.01, 1)] = 0.75
    depthwise: Annotated[bool, SWITCH] = False


def apply(settings: Prune, network: Any, _dataset: Dataset) -> Change:
    """The network with zeros among its weights.

    Raises:
        ModelError: no kernel can be pruned.
    """
    every = named_kernels(network)
    skipped = {
        kernel.label: reason
        for kernel in every
        if (reason := _unsuitable(kernel, settings)) is not None
    }
    chosen = [kernel for kernel in every if kernel.label not in skipped]
    if not chosen:
        raise ModelError(
            f"compress: prune applies to no layer of {network.name}: {reasons(skipped)}"
        )
    gradually = settings.schedule == "polynomial" and settings.epochs > 0
    if not gradually:
        for kernel in chosen:
            kernel.variable.assign(
                sparse(kernel.variable.numpy(), settings, depthwise=kernel.is_depthwise)
            )
    places = {kernel.place: kernel.is_depthwise for kernel in chosen}
    return Change(
        network,
        skipped=skipped,
        constraints=Constraints(after_update=_taker(settings, places) if gradually else None),
        measure=lambda trained: _measured(trained, places),
    )


def sparse(kernel: Array, settings: Prune, share: float = 1.0, depthwise: bool = False) -> Array:
    """A kernel with its smallest weights set to zero; of equal ones the first.

    The largest weight of every output channel stays: int8 quantization gives a channel of zeros
    alone a scale of almost 0 and a bias of almost 2^31, which fast kernels cannot take.

    Args:
        kernel: (..., input channels, output channels), or depthwise (height, width, channels,
            outputs a channel).
        share: of [[compression]] sparsity that is reached; "2:4" keeps more while it is below 1.
    """
    result = kernel.copy()
    if settings.pattern == "unstructured":
        outputs = kernel.shape[-1] * (kernel.shape[-2] if depthwise else 1)
        magnitudes = np.abs(kernel).reshape(-1, outputs)
        np.put_along_axis(magnitudes, magnitudes.argmax(0)[np.newaxis], np.inf, axis=0)
        count = min(round(share * settings.sparsity * kernel.size), kernel.size - outputs)
        result.flat[np.argsort(magnitudes, axis=None, kind="stable")[:count]] = 0
        return result
    groups = np.moveaxis(result, -2, -1)
    fours = groups.reshape(*groups.shape[:-1], -1, 4)
    order = np.argsort(np.abs(fours), axis=-1, kind="stable")
    np.put_along_axis(fours, order[..., : round(2 * share)], 0, axis=-1)
    return np.ascontiguousarray(np.moveaxis(fours.reshape(groups.shape), -1, -2))


def reached(settings: Prune, update: int, updates: int) -> float:
    """Share of the sparsity that the polynomial schedule has after so many of all updates, 0..1."""
    ramp = max(1, round(settings.ramp * updates))
    return float(1 - (1 - min(1.0, update / ramp)) ** 3)


def _taker(
    settings: Prune, places: Mapping[int, bool]
) -> Callable[[Sequence[Any], int, int], None]:
    """Takes weights in training as the schedule says.

    Args:
        places: of the kernels, and whether each is depthwise.
    """

    def take(kernels: Sequence[Any], update: int, updates: int) -> None:
        ramp = max(1, round(settings.ramp * updates))
        due = update % max(1, ramp // _STEPS) == 0 and update < ramp
        if not due and update != ramp:
            return
        share = reached(settings, update, updates)
        for place, depthwise in places.items():
            kernel = kernels[place]
            kernel.assign(sparse(kernel.numpy(), settings, share, depthwise))

    return take


def _unsuitable(kernel: Kernel, settings: Prune) -> str | None:
    """Why a kernel is not pruned; None if it is."""
    if kernel.is_depthwise and settings.pattern == "2:4":
        return "a depthwise kernel sums over no channels"
    if kernel.is_depthwise and not settings.depthwise:
        return "depthwise kernels are left out unless depthwise = true"
    if settings.pattern == "2:4":
        if len(kernel.variable.shape) not in (2, 4):
            return f"a {type(kernel.layer).__name__} has no input channels in fours"
        channels = kernel.variable.shape[-2]
        if channels % 4 != 0:
            return f"its {channels} input channels are no multiple of 4"
    return None


def _measured(network: Any, places: Collection[int]) -> tuple[Rows, Mapping[str, Any]]:
    """The sparsity that kernels really have."""
    rows = []
    for kernel in named_kernels(network):
        if kernel.place in places:
            values = kernel.variable.numpy()
            zeros = int(np.count_nonzero(values == 0))
            row = {"layer": kernel.label, "weights": values.size, "zeros": zeros}
            rows.append({**row, "sparsity": zeros / values.size})
    zeros, weights = (sum(row[column] for row in rows) for column in ("zeros", "weights"))
    return tuple(rows), {"sparsity": zeros / weights}


register(
    Technique(
        name="prune",
        summary="the smallest weights set to zero, anywhere or two of every four",
        settings=Prune,
        apply=apply,
        keeps=("zeros",),
    )
)
