"""What report.html shows beyond report.json: learning curves, memory plan, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import __version__
from pipeline.aot.memory import Buffer
from pipeline.report.compression import CompressionDrawings, compression_drawings
from pipeline.report.examination import Examination, examination_of
from pipeline.spec import dump_spec
from pipeline.target import MODEL, SPEC, Target


@dataclass(frozen=True)
class Curves:
    """A value an epoch of every series.

    Attributes:
        loss: cross-entropy in nats; "training" and "test".
        accuracy: 0..1; likewise. None of a model that gives its input back, whose loss is the
            mean squared error.
        float_epochs: epochs before quantization-aware training; None where there was none.
    """

    loss: Mapping[str, tuple[float, ...]]
    accuracy: Mapping[str, tuple[float, ...]] | None
    float_epochs: int | None


@dataclass(frozen=True)
class LayerParameters:
    """What the model file stores for one operator; names and index as in cost.json.

    Attributes:
        receptive_field: rows and columns of the image that one output value depends on; None where
            the formula says nothing.
    """

    index: int
    op: str
    parameters: int
    weight_bytes: int
    receptive_field: tuple[int, int] | None = None


@dataclass(frozen=True)
class Provenance:
    """What the run was made from.

    Attributes:
        command: does it again, from a folder with the file it names.
        spec: the text of that file; None for a .tflite.
        artifacts: name in the run folder -> SHA-256.
    """

    command: str
    spec: str | None
    seed: int
    generator: str
    artifacts: Mapping[str, str]


@dataclass(frozen=True)
class Details:
    """Attributes:
    board_title: for people.
    flash_limit, ram_limit: bytes the board has; None for the host.
    curves: None without training.
    layers: of the model file, in its order.
    buffers: the arena's plan; empty where the runtime plans by itself.
    examination: None where the run was not examined.
    compression: one for every technique.
    bits: content of bit_widths.json; None where other bit widths were not asked for.
    """

    board_title: str
    flash_limit: int | None
    ram_limit: int | None
    curves: Curves | None
    layers: tuple[LayerParameters, ...]
    buffers: tuple[Buffer, ...]
    provenance: Provenance
    examination: Examination | None = None
    compression: tuple[CompressionDrawings, ...] = ()
    bits: Mapping[str, Any] | None = None


def assemble_details(
    target: Target,
    results: Mapping[str, Mapping[str, Any]],
    histories: Sequence[Mapping[str, Any]],
    cost: Mapping[str, Any] | None,
    examination: Mapping[str, Any] | None,
    artifacts: Mapping[str, str],
    compression: Sequence[Mapping[str, Any]] = (),
    bits: Mapping[str, Any] | None = None,
) -> Details:
    """The details of a run.

    Args:
        results: stage name -> what it left; "build" at least.
        histories: content of history.json and of qat_history.json, those that there are.
        cost: content of cost.json.
        examination: content of examination.json.
        artifacts: name in the run folder -> SHA-256.
        compression: content of every compression_N.json, in order.
        bits: content of bit_widths.json.
    """
    board = target.board
    if target.spec is None:
        command = f"mcu-pipeline benchmark {MODEL} --board {board.id} --runtime {target.runtime}"
        command += f" --seed {target.seed}"
    else:
        command = f"mcu-pipeline run {SPEC}"
    return Details(
        board_title=board.title,
        flash_limit=board.flash_bytes,
        ram_limit=board.ram_bytes,
        curves=learning_curves(histories),
        layers=() if cost is None else layer_parameters(cost),
        buffers=buffers_from_json(results.get("generate", {}).get("buffers", ())),
        provenance=Provenance(
            command=command,
            spec=None if target.spec is None else dump_spec(target.spec),
            seed=target.seed,
            generator=f"mcu-pipeline {__version__}",
            artifacts=artifacts,
        ),
        examination=None if examination is None else examination_of(examination, results),
        compression=compression_drawings(compression),
        bits=bits,
    )


def learning_curves(histories: Sequence[Mapping[str, Any]]) -> Curves | None:
    """From the content of history.json and, after it, qat_history.json; None where they are empty
    (a saved model that was not trained here)."""
    epochs = [epoch for history in histories for epoch in history["epochs"]]
    if not epochs:
        return None

    def columns(quantity: str) -> dict[str, tuple[float, ...]]:
        series = {"training": quantity, "test": f"test_{quantity}"}
        if all(epoch.get(f"validation_{quantity}") is not None for epoch in epochs):
            series["validation"] = f"validation_{quantity}"
        return {title: tuple(epoch[name] for epoch in epochs) for title, name in series.items()}

    first = len(histories[0]["epochs"])
    return Curves(
        loss=columns("loss"),
        accuracy=None if epochs[0]["accuracy"] is None else columns("accuracy"),
        float_epochs=first if 0 < first < len(epochs) else None,
    )


def layer_parameters(cost: Mapping[str, Any]) -> tuple[LayerParameters, ...]:
    """From the content of cost.json."""
    return tuple(
        LayerParameters(
            row["index"],
            row["op"],
            row["parameters"],
            row["weight_bytes"],
            None if row["receptive_field"] is None else tuple(row["receptive_field"]),
        )
        for row in cost["layers"]
    )


def buffers_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[Buffer, ...]:
    """The inverse of `dataclasses.asdict` and JSON on `aot.memory.Buffer`s."""
    return tuple(
        Buffer(**{**row, "shape": None if row["shape"] is None else tuple(row["shape"])})
        for row in rows
    )
