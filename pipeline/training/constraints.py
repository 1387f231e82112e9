"""What a training must keep to, besides lowering its loss.

All of it is a function of the weights and of the number of the update, so that a training taken up
from a checkpoint goes on as if it had never been ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.training.tensorflow_setup import tensorflow

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


def kernels(network: Any) -> list[Any]:
    """The trained kernels of dense and convolutional layers, in the order of the layers."""
    variables = network.trainable_variables
    return [v for v in variables if v.name.rsplit("/", 1)[-1].split(":")[0] in _KERNELS]


@dataclass(frozen=True)
class Constraints:
    """Of kernels; biases and normalization move freely.

    Attributes:
        keeps_zeros: weights that are exactly 0 stay 0.
        keeps_ties: weights of one kernel that are equal stay equal: all take the mean of what
            their updates made of them.
        after_update: called with `kernels` of the network in training, the updates so far, and
            the updates of the whole training.
        objective: (images, outputs, losses) -> what is minimised in place of the losses, one value
            a sample. Images are as the network sees them.
    """

    keeps_zeros: bool = False
    keeps_ties: bool = False
    after_update: Callable[[Sequence[Any], int, int], None] | None = None
    objective: Callable[[Any, Any, Any], Any] | None = None

    @property
    def keeps_some(self) -> bool:
        return self.keeps_zeros or self.keeps_ties

    def keep(self, kernel: Any, before: Any) -> None:
        """Undoes what an update must not change of a kernel.

        Args:
            kernel: variable, after the update; before: its value before it.
        """
        tf = tensorflow()
        if self.keeps_ties:
            values, members = tf.unique(tf.reshape(before, [-1]))
            moved = tf.reshape(kernel, [-1])
            means = tf.math.unsorted_segment_mean(moved, members, tf.size(values))
            kernel.assign(tf.reshape(tf.gather(means, members), tf.shape(before)))
        if self.keeps_zeros:
            kernel.assign(tf.where(before == 0, tf.zeros_like(before), kernel))
