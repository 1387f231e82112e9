"""Dilated convolutions: the receptive field doubles with every layer, without pooling.

Yu and Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", arXiv:1511.07122.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register


@dataclass(frozen=True)
class DilatedMnistParameters:
    """The defaults have 5,178 trainable parameters on 28x28x1 images and 10 classes.

    Those are 80 + 584 + 584 (convolutions with dilation 1, 2 and 4) and 7 * 7 * 8 * 10 + 10
    (classes). The receptive field before the pool is 1 + 2 * (1 + 2 + 4) = 15.
    """

    filters: int = parameter(8, "channels of all convolutions", minimum=1)
    convolutions: int = parameter(
        3, "3x3 convolutions; their dilation doubles from 1", choices=(1, 2, 3, 4)
    )


def build(parameters: DilatedMnistParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """3x3 convolutions of dilation 1, 2, 4 ... -> max-pool 4x4 -> softmax, SAME padding, ReLU."""
    from tf_keras import Sequential, layers

    model = Sequential([layers.Input(image_shape, name="image")], name="dilated_mnist")
    for index in range(parameters.convolutions):
        model.add(
            layers.Conv2D(
                parameters.filters,
                kernel_size=3,
                dilation_rate=1 << index,
                padding="same",
                activation="relu",
                name=f"dilation_{1 << index}",
            )
        )
    model.add(layers.MaxPooling2D(4, name="pool"))
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dense(classes, activation="softmax", name="probabilities"))
    return model


register(
    ModelDefinition(
        name="dilated_mnist",
        summary="3x3 convolutions with dilation 1, 2, 4: 5,178 parameters",
        parameters=DilatedMnistParameters,
        build=build,
    )
)
