"""Loss and accuracy of a network on images, as it is used: no dropout, no augmentation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data import Dataset, InputScaling
from pipeline.errors import ModelError
from pipeline.training.task import Task, task_of
from pipeline.training.tensorflow_setup import tensorflow

_BATCH = 500


def network_task(network: Any, dataset: Dataset) -> Task:
    """What a network is trained for and judged by.

    Raises:
        ModelError: its outputs are neither class probabilities nor its input again.
    """
    task = task_of(math.prod(network.output_shape[1:]), dataset)
    if task is None:
        raise ModelError(
            f"train: {network.name} gives shape {network.output_shape}, neither the "
            f"{len(dataset.class_names)} classes of {dataset.name} nor its images"
        )
    return task


def losses_and_right(task: Task, outputs: Any, images: Any, labels: Any) -> tuple[Any, Any]:
    """Of every sample the loss, and whether its class was right.

    The loss is the cross-entropy in nats, or for a reconstruction, which has no class, the mean
    squared error.

    Args:
        outputs: of the network for `images`, real values (samples, ...); labels: (samples,).
    """
    tf = tensorflow()
    from tf_keras.losses import sparse_categorical_crossentropy

    if task is Task.CLASSIFICATION:
        right = tf.equal(tf.argmax(outputs, axis=1), labels)
        return sparse_categorical_crossentropy(labels, outputs), right
    samples = tf.shape(images)[0]
    difference = tf.reshape(outputs, (samples, -1)) - tf.reshape(images, (samples, -1))
    return tf.reduce_mean(tf.square(difference), axis=1), tf.zeros_like(labels, tf.bool)


class Evaluator:
    """Compiled once for a network whose weights move."""

    def __init__(self, network: Any, scaling: InputScaling, task: Task) -> None:
        tf = tensorflow()

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def evaluate(images: Any, labels: Any) -> tuple[Any, Any]:
            losses, right = losses_and_right(task, network(images, training=False), images, labels)
            return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, tf.int64))

        self._evaluate, self._scaling, self._task = evaluate, scaling, task

    def __call__(
        self, images: npt.NDArray[Any], labels: npt.NDArray[np.int64]
    ) -> tuple[float, float | None]:
        """Mean loss (`losses_and_right`), and share of right classes, 0..1; None without classes.

        Args:
            images: (samples, height, width, channels) as stored, labels: (samples,).
        """
        loss, right = 0.0, 0
        for begin in range(0, len(images), _BATCH):
            part = slice(begin, begin + _BATCH)
            some_loss, some_right = self._evaluate(self._scaling.apply(images[part]), labels[part])
            loss += float(some_loss)
            right += int(some_right)
        mean = float(f"{loss / len(images):.7g}")
        return mean, right / len(images) if self._task is Task.CLASSIFICATION else None
