"""What a training leaves beside the weights: its learning curves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch; losses are means of the cross-entropy in nats, accuracies are within 0..1.

    Where the task is reconstruction, losses are mean squared errors and accuracies None.

    Attributes:
        epoch: from 1.
        loss, accuracy: means over the training batches, while the weights moved.
        test_loss, test_accuracy: on the test split after the epoch; shown, never used to choose.
        validation_loss, validation_accuracy: on the part of the training split that was kept
            apart; None where none was.
    """

    epoch: int
    loss: float
    accuracy: float | None
    test_loss: float
    test_accuracy: float | None
    validation_loss: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True)
class CurvePoint:
    """Accuracies after so many updates of the weights, within 0..1.

    Attributes:
        train_accuracy: on a fifth of the training split, always the same, as the model is used,
            without dropout and augmentation.
        test_accuracy: on the test split.
    """

    update: int
    train_accuracy: float
    test_accuracy: float


@dataclass(frozen=True)
class TrainingHistory:
    """Learning curves, and what they end in.

    Attributes:
        parameters: trainable and other weights of the Keras model, counted.
        accuracy: share of right classes over the whole test split in float32, 0..1; None where
            the task is reconstruction.
        curve: every [training] curve_every updates; empty without.
        best_epoch: whose weights were kept, by early stopping; None where the last epoch's were.
        reconstruction_error: mean squared error over the whole test split in float32, in the
            square of the model's input unit; None where the task is classification.
        classes: of the data set; None where the task is reconstruction.
    """

    epochs: tuple[EpochMetrics, ...]
    parameters: int
    accuracy: float | None
    curve: tuple[CurvePoint, ...] = ()
    best_epoch: int | None = None
    reconstruction_error: float | None = None
    classes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingHistory:
        """The inverse of `to_json`."""
        epochs = tuple(EpochMetrics(**epoch) for epoch in values["epochs"])
        curve = tuple(CurvePoint(**point) for point in values["curve"])
        return cls(**{**values, "epochs": epochs, "curve": curve})


@dataclass(frozen=True)
class TrainingProgress:
    """Where the training is: `epoch` and `batch` count from 1, metrics are of the epoch so far.

    `accuracy` is None where the task is reconstruction.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float | None
