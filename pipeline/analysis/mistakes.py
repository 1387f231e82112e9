"""Test images that a classifier takes for another class: which ones, and their pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.graph import Tensor

_MOST = 12
_LONGEST_SIDE = 96  # pixels of a picture
_PROBABILITY = (1 / 256, -128)  # how TFLite quantizes the outputs of SOFTMAX and LOGISTIC to int8


@dataclass(frozen=True)
class Mistake:
    """One image.

    Attributes:
        image: its position in the test split.
        actual, taken: classes, the image's and the model's.
        confidence: the model's output for `taken`, 0..1; None where outputs are no probabilities.
    """

    image: int
    actual: int
    taken: int
    confidence: float | None


def worst_mistakes(
    outputs: Sequence[npt.NDArray[Any]],
    tensor: Tensor,
    labels: npt.NDArray[np.int64],
    most: int = _MOST,
) -> tuple[Mistake, ...]:
    """The images whose class lost by most, the largest distance first, equal ones in order.

    Args:
        outputs: values of `tensor`, one array an image, of any shape with an element a class.
        labels: (images,), of the same images.
    """
    wrong = []
    for image, (output, label) in enumerate(zip(outputs, labels.tolist(), strict=True)):
        values = output.ravel()
        taken = int(np.argmax(values))
        if taken != label:
            lost_by = float(values[taken]) - float(values[label])
            wrong.append((-lost_by, image, label, taken, float(values[taken])))
    return tuple(
        Mistake(image, actual, taken, _confidence(value, tensor))
        for _, image, actual, taken, value in sorted(wrong)[:most]
    )


def _confidence(value: float, tensor: Tensor) -> float | None:
    quantization = tensor.quantization
    if quantization is None or quantization.per_channel:
        return None
    if (tensor.scale, tensor.zero_point) != _PROBABILITY:
        return None
    return (value - tensor.zero_point) * tensor.scale


def picture(image: npt.NDArray[Any]) -> bytes:
    """A PNG of a stored image.

    uint8 is shown as it is, other values from their lowest (black) to their highest (white).

    Args:
        image: (height, width, channels); of other than 3 channels the first is shown.
    """
    from PIL import Image

    shown = image if image.shape[2] == 3 else image[:, :, 0]
    if shown.dtype != np.uint8:
        low, high = float(shown.min()), float(shown.max())
        shown = (shown - low) * (255 / ((high - low) or 1.0))
    drawn = Image.fromarray(np.ascontiguousarray(shown, np.uint8))
    drawn.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    content = io.BytesIO()
    drawn.save(content, "PNG", optimize=True)
    return content.getvalue()
