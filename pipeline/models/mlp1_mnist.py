"""One hidden layer for 28x28 digits ("M2")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register


@dataclass(frozen=True)
class Mlp1MnistParameters:
    """The defaults have 25,450 trainable parameters on 28x28x1 images and 10 classes.

    Those are 784 * 32 + 32 (hidden layer) and 32 * 10 + 10 (classes).
    """

    hidden_units: int = parameter(32, "units of the hidden layer", minimum=1)


def build(parameters: Mlp1MnistParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Flatten -> dense with ReLU -> dense -> softmax; kernels start from Glorot's uniform."""
    from tf_keras import Sequential, layers

    return Sequential(
        [
            layers.Input(image_shape, name="image"),
            layers.Flatten(name="flatten"),
            layers.Dense(parameters.hidden_units, activation="relu", name="hidden"),
            layers.Dense(classes, activation="softmax", name="probabilities"),
        ],
        name="mlp1_mnist",
    )


register(
    ModelDefinition(
        name="mlp1_mnist",
        summary="one hidden dense layer (32), softmax: 25,450 parameters",
        parameters=Mlp1MnistParameters,
        build=build,
    )
)
