"""Separable convolutions behind an ordinary one: `conv_mnist`'s accuracy with fewer parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register


@dataclass(frozen=True)
class SepconvSlimMnistParameters:
    """The defaults have 4,042 parameters (3,930 trainable) on 28x28x1 images and 10 classes.

    Those are 72 (convolution), 72 + 128 (first separable convolution: depthwise, pointwise),
    144 + 512 (second), 4 * (8 + 16 + 32) (batch normalization) and 3 * 3 * 32 * 10 + 10 (classes).
    """

    first_filters: int = parameter(8, "channels after the ordinary convolution", minimum=1)
    second_filters: int = parameter(16, "channels after the first separable one", minimum=1)
    third_filters: int = parameter(32, "channels after the second separable one", minimum=1)


def build(
    parameters: SepconvSlimMnistParameters, image_shape: tuple[int, ...], classes: int
) -> Any:
    """(Convolution 3x3 -> max-pool 2x2), (separable 3x3 -> max-pool) twice -> softmax.

    SAME padding, batch normalization, ReLU, and Glorot's uniform distribution for all kernels. The
    first layer is no separable one: on a single channel its depthwise part has a single filter.
    """
    from tf_keras import Sequential, layers

    def convolution(filters: int) -> Any:
        return layers.Conv2D(filters, 3, padding="same", use_bias=False, name="conv_1")

    def separable(filters: int, number: int) -> Any:
        return layers.SeparableConv2D(
            filters,
            kernel_size=3,
            padding="same",
            use_bias=False,
            depthwise_initializer="glorot_uniform",
            pointwise_initializer="glorot_uniform",
            name=f"separable_{number}",
        )

    model = Sequential([layers.Input(image_shape, name="image")], name="sepconv_slim_mnist")
    for number, layer in (
        (1, convolution(parameters.first_filters)),
        (2, separable(parameters.second_filters, 2)),
        (3, separable(parameters.third_filters, 3)),
    ):
        model.add(layer)
        model.add(layers.BatchNormalization(name=f"norm_{number}"))
        model.add(layers.ReLU(name=f"relu_{number}"))
        model.add(layers.MaxPooling2D(2, name=f"pool_{number}"))
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dense(classes, activation="softmax", name="probabilities"))
    return model


register(
    ModelDefinition(
        name="sepconv_slim_mnist",
        summary="a convolution and two separable ones (8, 16, 32 channels): 4,042 parameters",
        parameters=SepconvSlimMnistParameters,
        build=build,
    )
)
