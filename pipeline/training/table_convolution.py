"""A Keras convolution whose output maps see only some of the input maps (LeNet-5's C3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tf_keras import activations, initializers, layers  # noqa: TID253


class TableConv2D(layers.Layer):  # type: ignore[misc]
    """Convolution (VALID, stride 1) with weights only where a table connects two maps.

    TFLite has no such operator: converted it is a CONV_2D whose other weights are zeros.

    Input (batch, height, width, input maps), output (batch, height - kernel_size + 1,
    width - kernel_size + 1, output maps). Weights: kernel (kernel_size, kernel_size, connected
    pairs), in the table's order, and bias (output maps,).
    """

    def __init__(
        self,
        table: Sequence[Sequence[int]],
        kernel_size: int,
        activation: str | None = None,
        **kwargs: Any,
    ) -> None:
        """`table` has for every output map the input maps that it sees."""
        super().__init__(**kwargs)
        self.table = tuple(tuple(inputs) for inputs in table)
        self.kernel_size = kernel_size
        self.activation = activations.get(activation)

    def build(self, input_shape: Sequence[int]) -> None:
        """Makes the weights: Glorot's uniform distribution of the full convolution, and zeros."""
        import tensorflow as tf

        pairs = [(i, o) for o, inputs in enumerate(self.table) for i in inputs]
        # The place of every pair of maps among the weights; of those unconnected, one behind all.
        places = np.full((input_shape[-1], len(self.table)), len(pairs), np.int32)
        for place, pair in enumerate(pairs):
            places[pair] = place
        self._places = places
        shape = (self.kernel_size, self.kernel_size)
        glorot = initializers.GlorotUniform()

        def connected(_shape: Any, dtype: Any = None, **_: Any) -> Any:
            full = tf.reshape(glorot((*shape, *places.shape), dtype), (*shape, -1))
            return tf.gather(full, [i * places.shape[1] + o for i, o in pairs], axis=2)

        self.kernel = self.add_weight("kernel", (*shape, len(pairs)), initializer=connected)
        self.bias = self.add_weight("bias", (len(self.table),), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """The convolution with a kernel that is zero where maps are not connected."""
        import tensorflow as tf

        zeros = tf.zeros((self.kernel_size, self.kernel_size, 1), self.kernel.dtype)
        kernel = tf.gather(tf.concat([self.kernel, zeros], axis=2), self._places, axis=2)
        sums = tf.nn.conv2d(inputs, kernel, strides=1, padding="VALID")
        return self.activation(tf.nn.bias_add(sums, self.bias))

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {
            **super().get_config(),
            "table": self.table,
            "kernel_size": self.kernel_size,
            "activation": activations.serialize(self.activation),
        }
