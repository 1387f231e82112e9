"""Trains an architecture on a data set: spec sections -> TrainedModel."""

from __future__ import annotations

import io
import json
import math
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.architecture import build_network, check_network, load_keras_model
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.own_files import model_file
from pipeline.spec import ModelSpec, TrainingSpec
from pipeline.store import write_if_changed
from pipeline.tensorflow_setup import tensorflow

_EVALUATION_BATCH = 500
_OPTIMIZERS = {"adam": "Adam", "sgd": "SGD"}
# Of every archive member, so that the same weights give the same file: the oldest a zip can hold.
_ARCHIVE_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch; losses are means of the cross-entropy in nats, accuracies are within 0..1.

    Attributes:
        epoch: from 1.
        loss, accuracy: means over the training batches, while the weights moved.
        test_loss, test_accuracy: on the test split after the epoch; shown, never used to choose.
    """

    epoch: int
    loss: float
    accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class TrainingHistory:
    """Learning curves, and what they end in.

    Attributes:
        parameters: trainable and other weights of the Keras model, counted.
        accuracy: share of right classes over the whole test split in float32, 0..1.
    """

    epochs: tuple[EpochMetrics, ...]
    parameters: int
    accuracy: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingHistory:
        """The inverse of `to_json`."""
        epochs = tuple(EpochMetrics(**epoch) for epoch in values["epochs"])
        return cls(epochs, values["parameters"], values["accuracy"])


@dataclass(frozen=True)
class TrainedModel:
    """A trained Keras model in a .keras file."""

    path: Path
    history: TrainingHistory

    @property
    def accuracy(self) -> float:
        """Share of right classes over the whole test split in float32, 0..1."""
        return self.history.accuracy


@dataclass(frozen=True)
class TrainingProgress:
    """Where the training is: `epoch` and `batch` count from 1, metrics are of the epoch so far."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float


def train(
    model: ModelSpec,
    training: TrainingSpec,
    dataset: Dataset,
    path: Path,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainedModel:
    """Trains with shuffled batches and sparse categorical cross-entropy, and saves the result.

    A saved model (`model.name` ends in .keras or .h5) is taken as it is: its history has no epoch.

    The same arguments give the same file on the same machine and versions. The file appears at
    `path` when it is whole: a training that is interrupted leaves nothing.

    Args:
        path: of the .keras file.
        progress: called after every batch.

    Raises:
        SpecError: the architecture or one of its parameters is unknown.
        ModelError: the images do not suit the architecture, the loss is no longer a number, or a
            model of one's own cannot be had (see `pipeline.architecture`).
    """
    own = model_file(model.name)
    if own is not None and own.function is None:
        network = load_keras_model(own.path, "train")
        check_network(network, dataset, f"train: {own.path}")
        epochs: tuple[EpochMetrics, ...] = ()
    else:
        keras = seeded_keras(training.seed)
        network = build_network(model, dataset)
        epochs = fit(keras, network, training, dataset, progress)
    history = TrainingHistory(epochs, network.count_params(), float_accuracy(network, dataset))
    _save(network, path)
    return TrainedModel(path, history)


def seeded_keras(seed: int) -> Any:
    """tf_keras with nothing left of an earlier model, and with its randomness settled."""
    tensorflow()
    import tf_keras as keras

    keras.backend.clear_session()  # layer names count up over the models of a process
    keras.utils.set_random_seed(seed)
    return keras


def fit(
    keras: Any,
    network: Any,
    training: TrainingSpec,
    dataset: Dataset,
    progress: Callable[[TrainingProgress], None] | None,
) -> tuple[EpochMetrics, ...]:
    """Moves the weights of a network with class probabilities as its output.

    Raises:
        ModelError: the loss is no longer a number.
    """
    rate: Any = training.learning_rate
    if training.decay == "cosine":
        steps = training.epochs * math.ceil(len(dataset.train_images) / training.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    network.compile(
        optimizer=getattr(keras.optimizers, _OPTIMIZERS[training.optimizer])(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    curves = network.fit(
        dataset.scaling.apply(dataset.train_images),
        dataset.train_labels,
        batch_size=training.batch_size,
        epochs=training.epochs,
        validation_data=(dataset.scaling.apply(dataset.test_images), dataset.test_labels),
        validation_batch_size=_EVALUATION_BATCH,
        verbose=0,
        callbacks=[_watcher(keras, progress)],
    ).history
    return _epochs(curves)


def float_accuracy(network: Any, dataset: Dataset) -> float:
    """Share of right classes over the whole test split, 0..1."""
    images = dataset.scaling.apply(dataset.test_images)
    probabilities = network.predict(images, batch_size=_EVALUATION_BATCH, verbose=0)
    right = int((probabilities.argmax(axis=1) == dataset.test_labels).sum())
    return right / len(dataset.test_labels)


def _watcher(keras: Any, progress: Callable[[TrainingProgress], None] | None) -> Any:
    """A Keras callback that reports progress and ends a training that diverged."""

    class Watcher(keras.callbacks.Callback):  # type: ignore[misc]
        epoch = 0

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self.epoch = epoch + 1

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            loss, accuracy = float((logs or {})["loss"]), float((logs or {})["accuracy"])
            if not math.isfinite(loss):
                raise ModelError(
                    f"train: the loss is no longer a number in epoch {self.epoch}, "
                    f"batch {batch + 1}",
                    "lower [training] learning_rate",
                )
            if progress is not None:
                steps, epochs = self.params["steps"], self.params["epochs"]
                progress(TrainingProgress(self.epoch, epochs, batch + 1, steps, loss, accuracy))

    return Watcher()


def _epochs(curves: dict[str, list[float]]) -> tuple[EpochMetrics, ...]:
    columns = (curves[name] for name in ("loss", "accuracy", "val_loss", "val_accuracy"))
    # Keras computes them in float32, which holds 7 significant digits.
    return tuple(
        EpochMetrics(epoch, *(float(f"{value:.7g}") for value in row))
        for epoch, row in enumerate(zip(*columns, strict=True), start=1)
    )


def _save(network: Any, path: Path) -> None:
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
