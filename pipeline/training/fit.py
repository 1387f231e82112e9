"""The training loop: shuffled batches, one update of the weights after another.

What a batch holds and how it is changed depends on the seed and its number alone. With a checkpoint
a training that was ended at any moment therefore goes on to the very weights that it would have
reached.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.spec import AugmentationSpec, TrainingSpec
from pipeline.training.augmentation import augment
from pipeline.training.checkpoint import Checkpoint, TrainingState
from pipeline.training.constraints import Constraints, kernels
from pipeline.training.evaluation import Evaluator, losses_and_right, network_task
from pipeline.training.events import EventFile
from pipeline.training.history import CurvePoint, EpochMetrics, TrainingProgress
from pipeline.training.schedule import learning_rate_at
from pipeline.training.task import Task
from pipeline.training.tensorflow_setup import tensorflow
from pipeline.training.twin import twin

_CURVE_SHARE = 5  # one in so many training images is in the curves' training accuracy
# Streams of the seed; no two uses of it draw the same numbers.
_SPLIT, _ORDER, _CURVE = 1, 2, 3

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """The learning curves of a training; see `TrainingHistory`."""

    epochs: tuple[EpochMetrics, ...]
    curve: tuple[CurvePoint, ...] = ()
    best_epoch: int | None = None


def fit(
    network: Any,
    training: TrainingSpec,
    dataset: Dataset,
    progress: Callable[[TrainingProgress], None] | None = None,
    augmentation: AugmentationSpec | None = None,
    checkpoint: Checkpoint | None = None,
    events: Path | None = None,
    constraints: Constraints | None = None,
) -> Fitted:
    """Moves the weights of a network whose outputs are class probabilities or its input again.

    Args:
        progress: called after every batch.
        augmentation: of training batches; None leaves images as they are.
        checkpoint: where the training goes on if it was ended before, and what is kept up.
        events: folder for TensorBoard's scalars of every epoch.
        constraints: what holds for the weights, and what is minimised instead of the loss.

    Raises:
        ModelError: the outputs are neither, or the loss is no longer a number.
    """
    loop = _Loop(
        network,
        training,
        dataset,
        augmentation or AugmentationSpec(),
        events,
        constraints or Constraints(),
    )
    loop.restore(None if checkpoint is None else checkpoint.load())
    saved = time.monotonic()
    while not loop.is_over:
        loop.one_update(progress)
        if checkpoint is not None and time.monotonic() - saved > checkpoint.interval_seconds:
            checkpoint.save(loop.state())
            saved = time.monotonic()
    return loop.finish()


class _Loop:
    """A training between two updates."""

    def __init__(
        self,
        network: Any,
        training: TrainingSpec,
        dataset: Dataset,
        augmentation: AugmentationSpec,
        events: Path | None,
        constraints: Constraints,
    ) -> None:
        tf = tensorflow()
        self._network, self._training, self._dataset = network, training, dataset
        self._constraints = constraints
        self._update = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._trained = _as_trained(network, training, self._update)
        self._train, self._validation = split_training(dataset, training)
        self._batches = math.ceil(len(self._train) / training.batch_size)
        self._optimizer = _optimizer(training)
        self._optimizer.build(self._trained.trainable_variables)
        self._task = network_task(network, dataset)
        self._step = _step(
            self._trained,
            self._optimizer,
            training,
            augmentation,
            self._update,
            self._task,
            constraints,
        )
        self._evaluator = Evaluator(self._trained, dataset.scaling, self._task)
        self._state = TrainingState([], [])
        self._order: Indices | None = None
        self._events = None if events is None else EventFile(events)

    @property
    def is_over(self) -> bool:
        epochs, training = self._state.epochs, self._training
        best = self._state.best_epoch
        stopped = training.patience > 0 and best is not None
        return len(epochs) == training.epochs or (
            stopped and len(epochs) - (best or 0) >= training.patience
        )

    def restore(self, state: TrainingState | None) -> None:
        """Goes on from `state`; None begins."""
        if state is None:
            return
        self._state = state
        self._trained.set_weights(state.weights)
        for variable, value in zip(self._optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        self._update.assign(state.update)

    def state(self) -> TrainingState:
        self._state.weights = self._trained.get_weights()
        self._state.optimizer = [v.numpy() for v in self._optimizer.variables]
        return self._state

    def one_update(self, progress: Callable[[TrainingProgress], None] | None) -> None:
        """One batch; after an epoch's last one, its metrics."""
        state, training = self._state, self._training
        epoch, batch = divmod(state.update, self._batches)
        chosen = self._batch(epoch, batch)
        rate = learning_rate_at(training, state.update, self._batches)
        images = self._dataset.scaling.apply(self._dataset.train_images[chosen])
        loss, right = self._step(images, self._dataset.train_labels[chosen], np.float32(rate))
        state.loss_sum += float(loss)
        state.right += int(right)
        state.update += 1
        if self._constraints.after_update is not None:
            total = self._batches * training.epochs
            self._constraints.after_update(kernels(self._trained), state.update, total)
        samples = batch * training.batch_size + len(chosen)
        mean = state.loss_sum / samples
        has_classes = self._task is Task.CLASSIFICATION
        accuracy = state.right / samples if has_classes else None
        if not math.isfinite(mean):
            raise ModelError(
                f"train: the loss is no longer a number in epoch {epoch + 1}, batch {batch + 1}",
                "lower [training] learning_rate",
            )
        if has_classes and training.curve_every > 0 and state.update % training.curve_every == 0:
            state.curve.append(self._curve_point())
        if batch + 1 == self._batches:
            self._end_epoch(epoch + 1, mean, accuracy)
        if progress is not None:
            at = TrainingProgress(
                epoch + 1, training.epochs, batch + 1, self._batches, mean, accuracy
            )
            progress(at)

    def finish(self) -> Fitted:
        """Leaves the trained weights in the network."""
        state = self._state
        stopping = bool(state.best_weights)
        self._network.set_weights(state.best_weights if stopping else self._trained.get_weights())
        return Fitted(
            tuple(state.epochs), tuple(state.curve), state.best_epoch if stopping else None
        )

    def _batch(self, epoch: int, batch: int) -> Indices:
        """Which images; every epoch has an order of its own."""
        if self._order is None or batch == 0:
            generator = np.random.default_rng([self._training.seed, _ORDER, epoch])
            self._order = generator.permutation(self._train)
        size = self._training.batch_size
        return self._order[batch * size : (batch + 1) * size]

    def _end_epoch(self, epoch: int, loss: float, accuracy: float | None) -> None:
        state, data = self._state, self._dataset
        tested = self._evaluator(data.test_images, data.test_labels)
        validated: tuple[float | None, float | None] = (None, None)
        if len(self._validation) > 0:
            kept = self._validation
            validated = self._evaluator(data.train_images[kept], data.train_labels[kept])
        rounded = None if accuracy is None else _rounded(accuracy)
        metrics = EpochMetrics(epoch, _rounded(loss), rounded, *tested, *validated)
        best = state.epochs[state.best_epoch - 1].validation_loss if state.best_epoch else None
        state.epochs.append(metrics)
        state.loss_sum, state.right = 0.0, 0
        if self._training.patience > 0 and (
            best is None or (metrics.validation_loss or 0.0) < best
        ):
            state.best_epoch, state.best_weights = epoch, self._trained.get_weights()
        if self._events is not None:
            self._events.add(metrics)

    def _curve_point(self) -> CurvePoint:
        data = self._dataset
        generator = np.random.default_rng([self._training.seed, _CURVE])
        share = generator.permutation(self._train)[: math.ceil(len(self._train) / _CURVE_SHARE)]
        _, train = self._evaluator(data.train_images[share], data.train_labels[share])
        _, test = self._evaluator(data.test_images, data.test_labels)
        assert train is not None, "curves are of classifiers"
        assert test is not None, "curves are of classifiers"
        return CurvePoint(self._state.update, train, test)


def _as_trained(network: Any, training: TrainingSpec, update: Any) -> Any:
    """The network itself, where nothing in it depends on chance."""
    has_dropout = any(type(layer).__name__ == "Dropout" for layer in network.layers)
    if training.dropout == 0 and not has_dropout:
        return network
    return twin(network, training.dropout, training.seed, update)


def split_training(dataset: Dataset, training: TrainingSpec) -> tuple[Indices, Indices]:
    """Images to train on, and those kept apart for validation."""
    everything = np.arange(len(dataset.train_images))
    kept = round(training.validation_split * len(everything))
    if kept == 0:
        return everything, everything[:0]
    shuffled = np.random.default_rng([training.seed, _SPLIT]).permutation(everything)
    return np.sort(shuffled[kept:]), np.sort(shuffled[:kept])


def _optimizer(training: TrainingSpec) -> Any:
    tensorflow()
    from tf_keras import optimizers

    if training.optimizer == "sgd":
        return optimizers.SGD(training.learning_rate, momentum=training.momentum)
    return optimizers.Adam(training.learning_rate)


def _step(
    network: Any,
    optimizer: Any,
    training: TrainingSpec,
    augmentation: AugmentationSpec,
    update: Any,
    task: Task,
    constraints: Constraints,
) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """(images, labels, learning rate) -> loss summed over the batch, and how many were right."""
    tf = tensorflow()
    variables = network.trainable_variables
    decayed = kernels(network)

    def step(images: Any, labels: Any, rate: Any) -> tuple[Any, Any]:
        images = augment(images, augmentation, training.seed, update)
        with tf.GradientTape() as tape:
            outputs = network(images, training=True)
            losses, right = losses_and_right(task, outputs, images, labels)
            reduce = tf.reduce_sum if training.loss_reduction == "sum" else tf.reduce_mean
            minimised = losses
            if constraints.objective is not None:
                minimised = constraints.objective(images, outputs, losses)
            objective = reduce(minimised) + sum(network.losses)
            if training.l2 > 0:
                objective += training.l2 * sum(tf.reduce_sum(v * v) for v in decayed)
        gradients = tape.gradient(objective, variables)
        if training.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, training.clip_norm)
        optimizer.learning_rate.assign(rate)
        before = [tf.identity(kernel) for kernel in decayed] if constraints.keeps_some else []
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for kernel, old in zip(decayed, before, strict=False):
            constraints.keep(kernel, old)
        update.assign_add(1)
        return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, tf.int64))

    compiled: Callable[[Any, Any, Any], tuple[Any, Any]] = tf.function(step, reduce_retracing=True)
    return compiled


def _rounded(value: float) -> float:
    """TensorFlow computes in float32, which holds 7 significant digits."""
    return float(f"{value:.7g}")
