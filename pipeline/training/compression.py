"""Applies one compression technique to a trained model, and trains on what is left of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.compress import FineTuning, Rows, kept_constraints, technique_of
from pipeline.data import Dataset
from pipeline.spec import AugmentationSpec, TrainingSpec
from pipeline.training.architecture import load_keras_model
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.fit import Fitted, fit
from pipeline.training.history import TrainingHistory, TrainingProgress
from pipeline.training.schedule import trained_on
from pipeline.training.train import history_of, save_network, seeded_keras


@dataclass(frozen=True)
class CompressedModel:
    """A compressed Keras model in a .keras file.

    Attributes:
        parameters_before, parameters: weights of the Keras model, counted.
        untuned: accuracy (0..1) or mean squared error right after the change, before any further
            training, over the whole test split.
        history: of the further training, and what it ends in.
        layers, facts: see `pipeline.compress.Change`.
        skipped: name of a layer with weights -> why the technique does not apply to it.
    """

    technique: str
    settings: FineTuning
    parameters_before: int
    parameters: int
    untuned: float | None
    history: TrainingHistory
    layers: Rows
    skipped: Mapping[str, str]
    facts: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return {**dataclasses.asdict(self), "history": self.history.to_json()}


def compress(
    settings: FineTuning,
    training: TrainingSpec,
    dataset: Dataset,
    keras_file: Path,
    path: Path,
    progress: Callable[[TrainingProgress], None] | None = None,
    augmentation: AugmentationSpec | None = None,
    checkpoint: Checkpoint | None = None,
    earlier: Sequence[FineTuning] = (),
) -> CompressedModel:
    """Compresses a .keras file's model into another .keras file.

    The same arguments give the same file on the same machine and versions. The file appears at
    `path` when it is whole.

    Args:
        settings: of a registered technique.
        training: see `pipeline.training.schedule.trained_on`.
        progress, augmentation, checkpoint: see `pipeline.training.fit.fit`.
        earlier: settings of the techniques that were applied before; zeros and shared values
            that they left are kept.

    Raises:
        ModelError: the technique applies to no layer, the file is no Keras model, or the loss is no
            longer a number.
    """
    seeded_keras(training.seed)
    network = load_keras_model(keras_file, "compress")
    technique = technique_of(settings)
    before = network.count_params()
    change = technique.apply(settings, network, dataset)
    untuned = history_of(Fitted(()), change.network, dataset)
    fitted = Fitted(())
    if settings.epochs > 0:
        schedule = trained_on(training, settings.epochs, settings.learning_rate)
        fitted = fit(
            change.network,
            schedule,
            dataset,
            progress,
            augmentation,
            checkpoint,
            constraints=kept_constraints((*earlier, settings), change.constraints),
        )
    history = history_of(fitted, change.network, dataset)
    rows, facts = change.measure(change.network)
    save_network(change.network, path)
    return CompressedModel(
        technique.name,
        settings,
        before,
        history.parameters,
        untuned.reconstruction_error if untuned.accuracy is None else untuned.accuracy,
        history,
        _merged(change.layers, rows),
        change.skipped,
        {**change.facts, **facts},
    )


def _merged(given: Rows, measured: Rows) -> Rows:
    """A row for every layer that is in one of the two."""
    found = {row["layer"]: row for row in measured}
    names = {row["layer"] for row in given}
    others = (row for row in measured if row["layer"] not in names)
    return (*({**row, **found.get(row["layer"], {})} for row in given), *others)
