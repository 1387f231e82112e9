"""Real values that the model's input was quantized for, against those it is fed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject
from pipeline.graph import DType, Tensor

_ID = "input-scaling"
_TOLERANCE = 1.5  # of the widths of ranges: calibration sees a sample of the training images
_BYTE = 255
_DIVIDED = r"/\s*255(?:\.0*)?f?\b|\*\s*\(?\s*1(?:\.0*)?f?\s*/\s*255"
_STATED = (
    r"^[ \t]*(?:#[ \t]*define|(?:static\s+|constexpr\s+|const\s+)+float)\s+"
    r"(?P<name>(?i:\w*in(?:put)?\d?_?scale\w*))\s*=?\s*(?P<value>[-+]?[\d.]+(?:[eE][-+]?\d+)?)f?"
)


def _look(subject: Subject) -> Iterator[Finding]:
    if subject.model is None:
        return
    tensor = next(iter(subject.model.graph.inputs), None)
    if tensor is None or tensor.dtype is DType.FLOAT32 or tensor.quantization is None:
        return
    yield from _against_training(subject, tensor)
    yield from _against_project(subject, tensor)


def _range(tensor: Tensor) -> tuple[float, float]:
    """Real values that the tensor can hold."""
    limits = np.iinfo(tensor.dtype.numpy)
    low, high = (tensor.scale * (int(q) - tensor.zero_point) for q in (limits.min, limits.max))
    return low, high


def _against_training(subject: Subject, tensor: Tensor) -> Iterator[Finding]:
    if subject.trained_range is None:
        return
    (low, high), (trained_low, trained_high) = _range(tensor), subject.trained_range
    if tensor.dtype is DType.INT16:  # whose zero point is 0: as far below 0 as above
        trained_high = max(abs(trained_low), abs(trained_high))
        trained_low = -trained_high
    ratio = (high - low) / max(trained_high - trained_low, 1e-12)
    if not 1 / _TOLERANCE <= ratio <= _TOLERANCE:
        yield Finding(
            _ID,
            "warning",
            f"input 0 holds real values {low:.4g} to {high:.4g}, training fed {trained_low:.4g} to "
            f"{trained_high:.4g}",
            "images saturate or shrink to a few steps: accuracy falls, and nothing reports it",
            "convert with the data set and the scaling that the model was trained with",
        )


def _against_project(subject: Subject, tensor: Tensor) -> Iterator[Finding]:
    if subject.project is None:
        return
    low, high = _range(tensor)
    if high - low > _BYTE / _TOLERANCE:
        for place, _ in subject.project.find(_DIVIDED):
            yield Finding(
                _ID,
                "warning",
                f"{place}: divides by 255, and the model's input holds {low:.4g} to {high:.4g}",
                "the model was trained on undivided bytes and now sees black images",
                "feed the stored values, or train on divided ones",
            )
    for place, match in subject.project.find(_STATED):
        stated = float(match["value"])
        if not np.isclose(stated, tensor.scale, rtol=0.01):
            yield Finding(
                _ID,
                "warning",
                f"{place}: {match['name']} is {stated:g}, the model's input has scale "
                f"{tensor.scale:.9g}",
                "constants of an earlier conversion quantize the input for another model",
                "read scale and zero point from the tensor (input->params), or generate them anew",
            )


register(Check(_ID, "an input fed with another scaling than in training", _look))
