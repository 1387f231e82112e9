"""Inception blocks, with or without 1x1 convolutions that reduce dimensions.

Szegedy et al., "Going Deeper with Convolutions", arXiv:1409.4842, figure 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register
from pipeline.models.shared.average import global_average


@dataclass(frozen=True)
class BlockChannels:
    """Output channels of a block's convolutions at alpha 1.

    Attributes:
        reduced_3x3, reduced_5x5: of the 1x1 convolutions before the larger ones.
        after_pool: of the 1x1 convolution behind the pool.
    """

    filters_1x1: int = 128
    reduced_3x3: int = 128
    filters_3x3: int = 192
    reduced_5x5: int = 32
    filters_5x5: int = 96
    after_pool: int = 64


CHANNELS = BlockChannels()


@dataclass(frozen=True)
class InceptionMiniParameters:
    """The defaults have 13,586 trainable parameters on 28x28x1 images and 10 classes.

    Without reduction the same branches have 46,162: every convolution of a block sees all its
    input channels, and the pool hands all of them on.
    """

    alpha: float = parameter(0.125, "width multiplier: share of the block's channels", above=0)
    blocks: int = parameter(2, "Inception blocks, a max-pool between them", choices=(1, 2, 3))
    reduction: bool = parameter(
        True, "1x1 convolutions before 3x3 and 5x5 and after the pool; false: the naive block"
    )
    stem_filters: int = parameter(16, "channels of the first convolution", minimum=1)


def build(parameters: InceptionMiniParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Convolution 3x3, stride 2 -> blocks -> global average -> softmax, SAME padding, ReLU.

    A block is a 1x1, a 3x3 and a 5x5 convolution and a 3x3 max-pool side by side, concatenated.
    """
    from tf_keras import Model, layers

    def convolution(x: Any, filters: int, kernel: int, name: str, stride: int = 1) -> Any:
        return layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            activation="relu",
            kernel_initializer="he_uniform",
            name=name,
        )(x)

    def thinned(x: Any, filters: int, kernel: int, name: str) -> Any:
        return convolution(x, max(1, int(filters * parameters.alpha)), kernel, name)

    def block(x: Any, name: str) -> Any:
        at_3x3 = at_5x5 = x
        pooled = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
        if parameters.reduction:
            at_3x3 = thinned(x, CHANNELS.reduced_3x3, 1, f"{name}_3x3_reduce")
            at_5x5 = thinned(x, CHANNELS.reduced_5x5, 1, f"{name}_5x5_reduce")
            pooled = thinned(pooled, CHANNELS.after_pool, 1, f"{name}_pool_reduce")
        branches = [
            thinned(x, CHANNELS.filters_1x1, 1, f"{name}_1x1"),
            thinned(at_3x3, CHANNELS.filters_3x3, 3, f"{name}_3x3"),
            thinned(at_5x5, CHANNELS.filters_5x5, 5, f"{name}_5x5"),
            pooled,
        ]
        return layers.Concatenate(name=f"{name}_concatenate")(branches)

    image = layers.Input(image_shape, name="image")
    x = convolution(image, parameters.stem_filters, 3, "stem", stride=2)
    for number in range(1, parameters.blocks + 1):
        if number > 1:
            x = layers.MaxPooling2D(2, name=f"pool_{number}")(x)
        x = block(x, f"block_{number}")
    x = global_average(x)
    x = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return Model(image, x, name="inception_mini")


register(
    ModelDefinition(
        name="inception_mini",
        summary="two Inception blocks (2014), naive or with dimension reduction",
        parameters=InceptionMiniParameters,
        build=build,
    )
)
