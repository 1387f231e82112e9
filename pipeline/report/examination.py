"""What the stage `examine` found, as report.html draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.report.assemble import classified

_FULL_BAR_DB = 60.0  # where a bar is full; 8 bits give about 50 dB at most
_WIDTH, _HEIGHT = 153, 30  # three units a bin


@dataclass(frozen=True)
class MisclassifiedImage:
    """One picture.

    Attributes:
        image: position in the test split.
        actual, taken: names of classes.
        confidence: the model's output for `taken`, 0..1; None where outputs are no probabilities.
        address: the picture as a data: address.
    """

    image: int
    actual: str
    taken: str
    confidence: float | None
    address: str


@dataclass(frozen=True)
class Misclassified:
    """The worst mistakes.

    Attributes:
        wrong: misclassified images among `samples` test images.
        where: as in `Confusion`.
    """

    images: tuple[MisclassifiedImage, ...]
    wrong: int
    samples: int
    where: Literal["device", "host"]


@dataclass(frozen=True)
class QuantizedLayer:
    """One operator.

    Attributes:
        outline: SVG path of the weights' histogram in a box of `Examination.width` by `.height`;
            None without int8 weights.
        weight_db, output_db: see `pipeline.analysis.quantization_error`; `weight_bar` and
            `output_bar` are the lengths of their bars, 0..1.
    """

    index: int
    op: str
    weight_shape: tuple[int, ...] | None
    outline: str | None
    zero_share: float | None
    weight_db: float | None
    weight_bar: float | None
    output_db: float | None
    output_bar: float | None


@dataclass(frozen=True)
class Examination:
    """Attributes:
    compared_images: that the ratios are of; None where there is no float32 model to compare with.
    misclassified: None where nothing was.
    """

    compared_images: int | None
    layers: tuple[QuantizedLayer, ...]
    misclassified: Misclassified | None
    width: int = _WIDTH
    height: int = _HEIGHT


def examination_of(
    values: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]
) -> Examination:
    """From the content of examination.json and the stages' results."""
    return Examination(
        compared_images=values["compared_images"],
        layers=tuple(_layer(row) for row in values["layers"]),
        misclassified=_misclassified(values["pictures"], results),
    )


def _layer(row: Mapping[str, Any]) -> QuantizedLayer:
    histogram, shape = row["histogram"], row["weight_shape"]
    return QuantizedLayer(
        index=row["index"],
        op=row["op"],
        weight_shape=None if shape is None else tuple(shape),
        outline=None if histogram is None else _outline(histogram),
        zero_share=row["zero_share"],
        weight_db=row["weight_sqnr_db"],
        weight_bar=_bar(row["weight_sqnr_db"]),
        output_db=row["output_sqnr_db"],
        output_bar=_bar(row["output_sqnr_db"]),
    )


def _bar(decibels: float | None) -> float | None:
    return None if decibels is None else min(max(decibels / _FULL_BAR_DB, 0.0), 1.0)


def _outline(histogram: Sequence[int]) -> str:
    """Steps over the bins; the fullest reaches the top."""
    most, wide = max(histogram) or 1, _WIDTH // len(histogram)
    steps = [f"V{_HEIGHT - count / most * (_HEIGHT - 1):.4g}h{wide}" for count in histogram]
    return f"M0 {_HEIGHT}{''.join(steps)}V{_HEIGHT}Z"


def _misclassified(
    pictures: Mapping[str, str], results: Mapping[str, Mapping[str, Any]]
) -> Misclassified | None:
    found = classified(results)
    if found is None:
        return None
    where, shown = found
    names, counts = results["benchmark"]["class_names"], shown["confusion"]
    images = tuple(
        MisclassifiedImage(
            row["image"],
            names[row["actual"]],
            names[row["taken"]],
            row["confidence"],
            f"data:image/png;base64,{pictures[str(row['image'])]}",
        )
        for row in shown.get("mistakes", ())
        if str(row["image"]) in pictures
    )
    right = sum(counts[index][index] for index in range(len(counts)))
    return (
        Misclassified(images, shown["samples"] - right, shown["samples"], where) if images else None
    )
