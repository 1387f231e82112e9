"""Loss and accuracy of a network on images, as it is used: no dropout, no augmentation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data import InputScaling
from pipeline.tensorflow_setup import tensorflow

_BATCH = 500


class Evaluator:
    """Compiled once for a network whose weights move."""

    def __init__(self, network: Any, scaling: InputScaling) -> None:
        tf = tensorflow()
        from tf_keras.losses import sparse_categorical_crossentropy

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def evaluate(images: Any, labels: Any) -> tuple[Any, Any]:
            probabilities = network(images, training=False)
            right = tf.equal(tf.argmax(probabilities, axis=1), labels)
            losses = sparse_categorical_crossentropy(labels, probabilities)
            return tf.reduce_sum(losses), tf.reduce_sum(tf.cast(right, tf.int64))

        self._evaluate, self._scaling = evaluate, scaling

    def __call__(
        self, images: npt.NDArray[Any], labels: npt.NDArray[np.int64]
    ) -> tuple[float, float]:
        """Mean cross-entropy in nats, and share of right classes, 0..1.

        Args:
            images: (samples, height, width, channels) as stored, labels: (samples,).
        """
        loss, right = 0.0, 0
        for begin in range(0, len(images), _BATCH):
            part = slice(begin, begin + _BATCH)
            some_loss, some_right = self._evaluate(self._scaling.apply(images[part]), labels[part])
            loss += float(some_loss)
            right += int(some_right)
        return float(f"{loss / len(images):.7g}"), right / len(images)
