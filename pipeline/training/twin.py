"""The network as it is trained: its dropout is a function of (seed, update).

Keras's own dropout draws from a generator whose state cannot be saved, so that a training taken up
from a checkpoint would go on differently.
"""

from __future__ import annotations

from typing import Any

from pipeline.training.tensorflow_setup import tensorflow


def twin(network: Any, dropout: float, seed: int, update: Any) -> Any:
    """A copy with the same weights, in the same order, and its own variables.

    Args:
        dropout: share of a dense layer's inputs that training sets to 0, in all dense layers;
            the others are scaled up by as much. Dropout layers of the network keep their rate.
        update: int64 variable, the number of the update.
    """
    tf = tensorflow()
    import tf_keras as keras

    streams = iter(range(len(network.layers)))

    def dropped(inputs: Any, rate: float, stream: int) -> Any:
        words = tf.random.experimental.stateless_fold_in(tf.stack([seed, update]), stream)
        kept = tf.random.stateless_uniform(tf.shape(inputs), words) >= rate
        return tf.where(kept, inputs / (1 - rate), tf.zeros_like(inputs))

    class DenseAfterDropout(keras.layers.Dense):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._stream = next(streams)

        def call(self, inputs: Any, training: Any = None) -> Any:
            return super().call(dropped(inputs, dropout, self._stream) if training else inputs)

    class Dropout(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, rate: float, **options: Any) -> None:
            super().__init__(**options)
            self._rate, self._stream = rate, next(streams)

        def call(self, inputs: Any, training: Any = None) -> Any:
            return dropped(inputs, self._rate, self._stream) if training else inputs

    def copied(layer: Any) -> Any:
        if type(layer) is keras.layers.Dense and dropout > 0:
            return DenseAfterDropout(**layer.get_config())
        if type(layer) is keras.layers.Dropout:
            return Dropout(layer.rate, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=copied)
    copy.set_weights(network.get_weights())
    for layer, original in zip(copy.layers, network.layers, strict=True):
        layer.trainable = original.trainable
    return copy
