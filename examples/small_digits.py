"""A network for 28x28 digits whose convolutions do what pooling would: a start for a search.

Convolutions with strides compute fewer outputs than a convolution with a pool behind it. The first
one takes each pixel once, four at a time, as the Armv7E-M kernels do.
"""

from __future__ import annotations

from typing import Any


def build(
    image_shape: tuple[int, ...],
    classes: int,
    first: int = 16,
    second: int = 32,
    third: int = 64,
) -> Any:
    """Three convolutions with batch normalization and ReLU, VALID padding, then softmax.

    28x28 -> 7x7 x first (4x4, stride 4) -> 3x3 x second (3x3, stride 2) -> 1x1 x third (3x3).
    """
    from tf_keras import Sequential, layers

    model = Sequential([layers.Input(image_shape, name="image")], name="small_digits")
    for number, (filters, kernel, stride) in enumerate(
        ((first, 4, 4), (second, 3, 2), (third, 3, 1)), 1
    ):
        model.add(layers.Conv2D(filters, kernel, stride, use_bias=False, name=f"conv_{number}"))
        model.add(layers.BatchNormalization(name=f"norm_{number}"))
        model.add(layers.ReLU(name=f"relu_{number}"))
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dense(classes, activation="softmax", name="probabilities"))
    return model
