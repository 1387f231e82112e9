"""The state of a training on disk, so that it goes on exactly where it was ended."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.store import write_if_changed
from pipeline.training.history import CurvePoint, EpochMetrics

Arrays = list[npt.NDArray[Any]]


@dataclass
class TrainingState:
    """All that a training depends on besides its settings and the data.

    Attributes:
        update: updates of the weights so far.
        loss_sum, right: over the samples of the epoch so far.
        weights: of the network, in Keras's order.
        optimizer: its variables.
        best_weights: those with the lowest validation loss so far; empty without early stopping.
        best_epoch: the epoch after which they were those.
    """

    weights: Arrays
    optimizer: Arrays
    update: int = 0
    loss_sum: float = 0.0
    right: int = 0
    epochs: list[EpochMetrics] = field(default_factory=list)
    curve: list[CurvePoint] = field(default_factory=list)
    best_weights: Arrays = field(default_factory=list)
    best_epoch: int | None = None


_ARRAYS = ("weights", "optimizer", "best_weights")


class Checkpoint:
    """One file that is replaced as a whole.

    Attributes:
        interval_seconds: least time between two savings.
    """

    def __init__(self, path: Path, key: str, interval_seconds: float = 30.0) -> None:
        """`key` says which training it is of: another's file is not taken."""
        self._path, self._key = path, key
        self.interval_seconds = interval_seconds

    def save(self, state: TrainingState) -> None:
        archive = io.BytesIO()
        facts = {
            "update": state.update,
            "loss_sum": state.loss_sum,
            "right": state.right,
            "epochs": [asdict(epoch) for epoch in state.epochs],
            "curve": [asdict(point) for point in state.curve],
            "best_epoch": state.best_epoch,
        }
        named = {
            f"{group}{index}": array
            for group in _ARRAYS
            for index, array in enumerate(getattr(state, group))
        }
        text = json.dumps({"key": self._key, **facts})
        np.savez(archive, facts=np.array(text), allow_pickle=False, **named)
        write_if_changed(self._path, archive.getvalue())

    def load(self) -> TrainingState | None:
        """The saved state; None where there is none of this training, or it is damaged."""
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                facts = json.loads(str(archive["facts"]))
                if facts.pop("key") != self._key:
                    return None
                arrays = {group: _group(archive, group) for group in _ARRAYS}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        facts["epochs"] = [EpochMetrics(**epoch) for epoch in facts["epochs"]]
        facts["curve"] = [CurvePoint(**point) for point in facts["curve"]]
        return TrainingState(
            weights=arrays["weights"],
            optimizer=arrays["optimizer"],
            best_weights=arrays["best_weights"],
            **facts,
        )

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def _group(archive: Any, group: str) -> Arrays:
    names: Sequence[str] = [n for n in archive.files if n.rstrip("0123456789") == group]
    return [archive[f"{group}{index}"] for index in range(len(names))]
