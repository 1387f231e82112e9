"""Two hidden layers for 28x28 digits ("M3")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register


@dataclass(frozen=True)
class Mlp2MnistParameters:
    """The defaults have 26,506 trainable parameters on 28x28x1 images and 10 classes.

    Those are 784 * 32 + 32 (first hidden layer), 32 * 32 + 32 (second), 32 * 10 + 10 (classes).
    """

    first_units: int = parameter(32, "units of the first hidden layer", minimum=1)
    second_units: int = parameter(32, "units of the second hidden layer", minimum=1)


def build(parameters: Mlp2MnistParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Flatten -> dense -> dense, both with ReLU -> dense -> softmax; Glorot's uniform kernels."""
    from tf_keras import Sequential, layers

    return Sequential(
        [
            layers.Input(image_shape, name="image"),
            layers.Flatten(name="flatten"),
            layers.Dense(parameters.first_units, activation="relu", name="hidden_1"),
            layers.Dense(parameters.second_units, activation="relu", name="hidden_2"),
            layers.Dense(classes, activation="softmax", name="probabilities"),
        ],
        name="mlp2_mnist",
    )


register(
    ModelDefinition(
        name="mlp2_mnist",
        summary="two hidden dense layers (32, 32), softmax: 26,506 parameters",
        parameters=Mlp2MnistParameters,
        build=build,
    )
)
