"""The average over an image, as networks end in it."""

from __future__ import annotations

from typing import Any


def global_average(x: Any) -> Any:
    """(batch, height, width, channels) -> (batch, channels), by a pool as large as the image.

    Not GlobalAveragePooling2D, which converts to MEAN: the Nano's TFLM of 2023 rounds that in
    float and is 1 off in a fifth of the values; its average pool gives the bytes of today's.
    MLPerf Tiny's networks end in the same two layers.
    """
    from tf_keras import layers

    x = layers.AveragePooling2D(x.shape[1:3], name="average")(x)
    return layers.Flatten(name="flatten")(x)
