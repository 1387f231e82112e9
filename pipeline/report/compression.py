"""What report.html draws of compression: learning curves, scree plots, and other bit widths."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report.charts import LineChart, line_chart


@dataclass(frozen=True)
class CompressionDrawings:
    """One technique.

    Attributes:
        skipped: layer -> why the technique does not apply to it.
        curves: of the training on; empty without any.
        screes: a drawing for every layer whose singular values are known.
    """

    technique: str
    skipped: Mapping[str, str]
    curves: tuple[LineChart, ...]
    screes: tuple[LineChart, ...]


def compression_drawings(facts: Sequence[Mapping[str, Any]]) -> tuple[CompressionDrawings, ...]:
    """From the content of every compression_N.json, in order."""
    return tuple(
        CompressionDrawings(
            step["technique"],
            step["skipped"],
            _curves(step),
            tuple(_scree(row) for row in step["layers"] if row.get("singular_values")),
        )
        for step in facts
    )


def _curves(step: Mapping[str, Any]) -> tuple[LineChart, ...]:
    """The training on; epoch 0 is the test split right after the change."""
    epochs = step["history"]["epochs"]
    if not epochs:
        return ()
    quantity = "loss" if epochs[0]["accuracy"] is None else "accuracy"
    series = {
        "training": [(n, epoch[quantity]) for n, epoch in enumerate(epochs, 1)],
        "test": [
            (0, step["untuned"]),
            *((n, epoch[f"test_{quantity}"]) for n, epoch in enumerate(epochs, 1)),
        ],
    }
    title = f"{step['technique']}, trained on: {quantity}"
    return (line_chart(title, series, x_title="epoch", from_zero=quantity == "loss"),)


def _scree(row: Mapping[str, Any]) -> LineChart:
    """Singular values by size, and the share of the squared norm that they and all larger ones
    have; the line stands behind the last one that was kept."""
    values = row["singular_values"]
    squares = [value**2 for value in values]
    total = sum(squares) or 1.0
    shares = [part / total for part in itertools.accumulate(squares)]
    largest = values[0] or 1.0
    rank = row["rank"]
    kept = "left as it is" if rank is None else f"rank {rank} of {row['full_rank']}"
    return line_chart(
        f"{row['layer']}: {kept}",
        {
            "singular value, of the largest": list(enumerate((v / largest for v in values), 1)),
            "energy retained": list(enumerate(shares, 1)),
        },
        x_title="rank",
        from_zero=True,
        boundary=None if rank is None or rank == len(values) else rank + 0.5,
    )


def bits_chart(found: Mapping[str, Any]) -> LineChart:
    """From the content of bit_widths.json."""
    series = {
        name: [(int(bits), accuracy) for bits, accuracy in found[name].items()]
        for name in ("weights", "activations", "both")
    }
    return line_chart("Accuracy by bits", series, x_title="bit")
