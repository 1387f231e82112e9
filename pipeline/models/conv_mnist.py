"""Two convolutions and a small dense head for 28x28 digits ("M4")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register


@dataclass(frozen=True)
class ConvMnistParameters:
    """The defaults have 13,570 trainable parameters on 28x28x1 images and 10 classes.

    Those are 3 * 3 * 1 * 8 + 8 (first convolution), 3 * 3 * 8 * 8 + 8 (second),
    7 * 7 * 8 * 32 + 32 (hidden layer), 32 * 10 + 10 (classes).
    """

    first_filters: int = parameter(8, "channels after the first convolution", minimum=1)
    second_filters: int = parameter(8, "channels after the second convolution", minimum=1)
    dense_units: int = parameter(32, "units of the hidden layer", minimum=1)
    padding: str = parameter("same", "of the convolutions", choices=("same", "valid"))


def build(parameters: ConvMnistParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """(Convolution 3x3 -> max-pool 2x2) twice -> dense -> softmax.

    Hidden layers have ReLU; all kernels start from Glorot's uniform distribution.
    """
    from tf_keras import Sequential, layers

    def convolution(filters: int, name: str) -> Any:
        return layers.Conv2D(
            filters, kernel_size=3, padding=parameters.padding, activation="relu", name=name
        )

    return Sequential(
        [
            layers.Input(image_shape, name="image"),
            convolution(parameters.first_filters, "conv_1"),
            layers.MaxPooling2D(2, name="pool_1"),
            convolution(parameters.second_filters, "conv_2"),
            layers.MaxPooling2D(2, name="pool_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(parameters.dense_units, activation="relu", name="hidden"),
            layers.Dense(classes, activation="softmax", name="probabilities"),
        ],
        name="conv_mnist",
    )


register(
    ModelDefinition(
        name="conv_mnist",
        summary="two convolutions (8, 8 channels), dense 32, softmax: 13,570 parameters",
        parameters=ConvMnistParameters,
        build=build,
    )
)
