"""VGG's pattern at the size of a microcontroller: stacks of 3x3 convolutions, then max-pools.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
arXiv:1409.1556; VGG16 itself is in `pipeline.analysis.accounting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register


@dataclass(frozen=True)
class VggMiniParameters:
    """The defaults have 37,186 trainable parameters on 28x28x1 images and 10 classes.

    Those are 80 + 584 (first stack), 1,168 + 2,320 (second), 4,640 + 9,248 (third),
    3 * 3 * 32 * 64 + 64 (hidden layer) and 64 * 10 + 10 (classes).
    """

    filters: int = parameter(8, "channels of the first stack; each further has twice", minimum=1)
    stacks: int = parameter(3, "stacks, each followed by a 2x2 max-pool", choices=(1, 2, 3, 4, 5))
    convolutions: int = parameter(2, "3x3 convolutions of a stack", choices=(1, 2, 3, 4))
    dense_units: int = parameter(64, "units of the hidden layer", minimum=1)


def build(parameters: VggMiniParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """(3x3 convolutions -> max-pool) per stack -> dense -> softmax, SAME padding, ReLU."""
    from tf_keras import Sequential, layers

    model = Sequential([layers.Input(image_shape, name="image")], name="vgg_mini")
    for stack in range(1, parameters.stacks + 1):
        for number in range(1, parameters.convolutions + 1):
            model.add(
                layers.Conv2D(
                    parameters.filters << (stack - 1),
                    kernel_size=3,
                    padding="same",
                    activation="relu",
                    kernel_initializer="he_uniform",
                    name=f"conv_{stack}_{number}",
                )
            )
        model.add(layers.MaxPooling2D(2, name=f"pool_{stack}"))
    model.add(layers.Flatten(name="flatten"))
    model.add(layers.Dense(parameters.dense_units, activation="relu", name="hidden"))
    model.add(layers.Dense(classes, activation="softmax", name="probabilities"))
    return model


register(
    ModelDefinition(
        name="vgg_mini",
        summary="VGG's pattern: three stacks of two 3x3 convolutions, 37,186 parameters",
        parameters=VggMiniParameters,
        build=build,
    )
)
