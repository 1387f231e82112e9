"""Trains an architecture on a data set: spec sections -> TrainedModel."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.data import Dataset
from pipeline.spec import AugmentationSpec, ModelSpec, TrainingSpec
from pipeline.spec.own_files import model_file, start_file
from pipeline.store import write_if_changed
from pipeline.training.architecture import build_network, check_network, load_keras_model
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.evaluation import Evaluator, network_task
from pipeline.training.fit import Fitted, fit
from pipeline.training.history import TrainingHistory, TrainingProgress
from pipeline.training.tensorflow_setup import tensorflow
from pipeline.training.transfer import freeze_until, take_weights

# Of every archive member, so that the same weights give the same file: the oldest a zip can hold.
_ARCHIVE_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class TrainedModel:
    """A trained Keras model in a .keras file."""

    path: Path
    history: TrainingHistory


def train(
    model: ModelSpec,
    training: TrainingSpec,
    dataset: Dataset,
    path: Path,
    progress: Callable[[TrainingProgress], None] | None = None,
    augmentation: AugmentationSpec | None = None,
    checkpoint: Checkpoint | None = None,
    events: Path | None = None,
) -> TrainedModel:
    """Trains with shuffled batches, and saves the result.

    The loss is the sparse categorical cross-entropy, or the mean squared error of a model with as
    many outputs as an image has values.

    A saved model (`model.name` ends in .keras or .h5) is taken as it is: its history has no epoch.

    The same arguments give the same file on the same machine and versions, ended in between and
    taken up from the checkpoint or not. The file appears at `path` when it is whole.

    Args:
        path: of the .keras file.
        progress, augmentation, checkpoint, events: see `pipeline.training.fit.fit`.

    Raises:
        SpecError: the architecture or one of its parameters is unknown.
        ModelError: the images do not suit the architecture, the loss is no longer a number, a
            model of one's own cannot be had (see `pipeline.training.architecture`), or the model
            to start from or the layer to freeze up to does not suit (see
            `pipeline.training.transfer`).
    """
    own = model_file(model.name)
    if own is not None and own.function is None:
        network = load_keras_model(own.path, "train")
        check_network(network, dataset, f"train: {own.path}")
        fitted = Fitted(epochs=())
    else:
        seeded_keras(training.seed)
        network = build_network(model, dataset)
        if training.start_from is not None:
            take_weights(network, start_file(training.start_from))
        if training.freeze_until is not None:
            freeze_until(network, training.freeze_until)
        fitted = fit(network, training, dataset, progress, augmentation, checkpoint, events)
        if training.freeze_until is not None:
            network.trainable = True
    history = history_of(fitted, network, dataset)
    save_network(network, path)
    return TrainedModel(path, history)


def seeded_keras(seed: int) -> Any:
    """tf_keras with nothing left of an earlier model, and with its randomness settled."""
    tensorflow()
    import tf_keras as keras

    keras.backend.clear_session()  # layer names count up over the models of a process
    keras.utils.set_random_seed(seed)
    return keras


def history_of(fitted: Fitted, network: Any, dataset: Dataset) -> TrainingHistory:
    """The learning curves, with what the network achieves on the whole test split.

    Raises:
        ModelError: its outputs are neither class probabilities nor its input again.
    """
    evaluator = Evaluator(network, dataset.scaling, network_task(network, dataset))
    loss, accuracy = evaluator(dataset.test_images, dataset.test_labels)
    return TrainingHistory(
        fitted.epochs,
        network.count_params(),
        accuracy,
        fitted.curve,
        fitted.best_epoch,
        loss if accuracy is None else None,
        None if accuracy is None else len(dataset.class_names),
    )


def save_network(network: Any, path: Path) -> None:
    """Writes the .keras file, whole or not at all, with nothing in it but the model."""
    with tempfile.TemporaryDirectory(prefix="mcu-pipeline-train-") as folder:
        saved = Path(folder) / "model.keras"
        network.save(saved, save_format="keras")
        write_if_changed(path, _reproducible(saved.read_bytes()))


def _reproducible(archive: bytes) -> bytes:
    """The same .keras archive without what differs between two equal trainings."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(result, "w") as target:
        for member in source.infolist():
            content = source.read(member)
            if member.filename.endswith(".json"):
                values = _without_run_marks(json.loads(content), {})
                content = json.dumps(values).encode()
            target.writestr(zipfile.ZipInfo(member.filename, _ARCHIVE_DATE), content)
    return result.getvalue()


def _without_run_marks(value: Any, numbers: dict[int, int]) -> Any:
    """Drops the date of saving, and numbers shared objects, which Keras names by address."""
    if isinstance(value, list):
        return [_without_run_marks(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    result = {
        key: _without_run_marks(item, numbers) for key, item in value.items() if key != "date_saved"
    }
    if "shared_object_id" in result:
        address = result["shared_object_id"]
        result["shared_object_id"] = numbers.setdefault(address, len(numbers))
    return result
