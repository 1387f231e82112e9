"""Two separable convolutions and a small dense head for 28x28 digits ("M5")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register


@dataclass(frozen=True)
class SepconvMnistParameters:
    """The defaults have 6,767 trainable parameters on 28x28x1 images and 10 classes.

    Those are 9 + 8 + 8 (first separable convolution: depthwise, pointwise, bias),
    72 + 32 + 4 (second), 196 * 32 + 32 (hidden layer), 32 * 10 + 10 (classes).
    """

    first_filters: int = parameter(8, "channels after the first convolution", minimum=1)
    second_filters: int = parameter(4, "channels after the second convolution", minimum=1)
    dense_units: int = parameter(32, "units of the hidden layer", minimum=1)
    max_pools: int = parameter(
        2, "2x2 max-pools: after both convolutions, or after the second only", choices=(1, 2)
    )
    padding: str = parameter("same", "of the convolutions", choices=("same", "valid"))


def build(parameters: SepconvMnistParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Separable 3x3 -> max-pool 2x2 -> separable 3x3 -> max-pool -> dense -> softmax.

    Hidden layers have ReLU; all kernels start from Glorot's uniform distribution.
    """
    from tf_keras import Sequential, layers

    def separable(filters: int, name: str) -> Any:
        return layers.SeparableConv2D(
            filters,
            kernel_size=3,
            padding=parameters.padding,
            activation="relu",
            depthwise_initializer="glorot_uniform",
            pointwise_initializer="glorot_uniform",
            name=name,
        )

    model = Sequential(name="sepconv_mnist")
    model.add(layers.Input(image_shape, name="image"))
    model.add(separable(parameters.first_filters, "separable_1"))
    if parameters.max_pools == 2:
        model.add(layers.MaxPooling2D(2, name="pool_1"))
    model.add(separable(parameters.second_filters, "separable_2"))
    model.add(layers.MaxPooling2D(2, name="pool_2"))
    model.add(layers.Flatten(name="flatten"))
    model.add(
        layers.Dense(
            parameters.dense_units,
            activation="relu",
            kernel_initializer="glorot_uniform",
            name="hidden",
        )
    )
    model.add(
        layers.Dense(
            classes,
            activation="softmax",
            kernel_initializer="glorot_uniform",
            name="probabilities",
        )
    )
    return model


register(
    ModelDefinition(
        name="sepconv_mnist",
        summary="two separable convolutions (8, 4 channels), dense 32, softmax: 6,767 parameters",
        parameters=SepconvMnistParameters,
        build=build,
    )
)
