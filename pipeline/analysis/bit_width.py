"""Accuracy with other numbers of bits than the deployed 8, for weights and for activations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.analysis.rounded_network import RoundedNetwork
from pipeline.data import Dataset
from pipeline.errors import ModelError

BITS = tuple(range(2, 17))
LAYER_BITS = (2, 3, 4)
_DEPLOYED_BITS = 8


@dataclass(frozen=True)
class LayerBits:
    """One operator of the float32 .tflite alone with few bits, everything else in float32.

    Attributes:
        weights: bits (`LAYER_BITS`) -> accuracy, 0..1; None where it has no weights.
        activations: likewise, of its output.
    """

    index: int
    op: str
    output_shape: tuple[int, ...]
    weights: Mapping[int, float] | None
    activations: Mapping[int, float]


@dataclass(frozen=True)
class BitWidths:
    """Accuracies on the first `samples` test images, 0..1.

    Attributes:
        weights, activations, both: bits (`BITS`) -> accuracy with all weights, all activations, or
            both rounded to as many, the rest in float32.
        agreement: share of the images for which 8 bits of both and the deployed model choose the
            same class.
    """

    samples: int
    float_accuracy: float
    deployed_accuracy: float
    agreement: float
    weights: Mapping[int, float]
    activations: Mapping[int, float]
    both: Mapping[int, float]
    layers: tuple[LayerBits, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return asdict(self)


def bit_widths(
    network: RoundedNetwork,
    deployed_classes: npt.NDArray[np.int64],
    dataset: Dataset,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> BitWidths:
    """Evaluates a network at all bit widths.

    Args:
        deployed_classes: what the int8 model says of the first test images, (samples,).
        progress: (evaluations done, in all).

    Raises:
        ModelError: it is no classifier of the data set.
    """
    if network.classes != len(dataset.class_names):
        raise ModelError("bits: bit widths are judged by accuracy: it takes a classifier")
    samples = len(deployed_classes)
    images = dataset.scaling.apply(dataset.test_images[:samples])
    labels = dataset.test_labels[:samples]
    own = [op for op in network.operators if op.index in network.rounded]
    planned = 2 + 3 * len(BITS) + len(LAYER_BITS) * (len(own) + len(network.weighted))
    done = 0

    def classes(weights: Mapping[int, int], activations: Mapping[int, int]) -> Any:
        nonlocal done
        found = network.classify(images, weights, activations)
        done += 1
        progress(done, planned)
        return found

    def accuracies(
        bits: Iterable[int], weighted: Iterable[int], rounded: Iterable[int]
    ) -> dict[int, float]:
        w, a = tuple(weighted), tuple(rounded)
        return {
            n: float(np.mean(classes(dict.fromkeys(w, n), dict.fromkeys(a, n)) == labels))
            for n in bits
        }

    weighted, rounded = network.weighted, network.rounded
    eight = classes(dict.fromkeys(weighted, _DEPLOYED_BITS), dict.fromkeys(rounded, _DEPLOYED_BITS))
    return BitWidths(
        samples=samples,
        float_accuracy=float(np.mean(classes({}, {}) == labels)),
        deployed_accuracy=float(np.mean(deployed_classes == labels)),
        agreement=float(np.mean(eight == deployed_classes)),
        weights=accuracies(BITS, weighted, ()),
        activations=accuracies(BITS, (), rounded),
        both=accuracies(BITS, weighted, rounded),
        layers=tuple(
            LayerBits(
                op.index,
                op.kind,
                op.outputs[0].shape,
                accuracies(LAYER_BITS, (op.index,), ()) if op.index in weighted else None,
                accuracies(LAYER_BITS, (), (op.index,)),
            )
            for op in own
        ),
    )
