"""One dense layer with softmax: logistic regression on pixels ("M1")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, register


@dataclass(frozen=True)
class LinearMnistParameters:
    """None; 784 * 10 + 10 = 7,850 trainable parameters on 28x28x1 images and 10 classes."""


def build(_parameters: LinearMnistParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Flatten -> dense -> softmax. The kernel starts from Glorot's uniform distribution."""
    from tf_keras import Sequential, layers

    return Sequential(
        [
            layers.Input(image_shape, name="image"),
            layers.Flatten(name="flatten"),
            layers.Dense(classes, activation="softmax", name="probabilities"),
        ],
        name="linear_mnist",
    )


register(
    ModelDefinition(
        name="linear_mnist",
        summary="one dense layer, softmax: 7,850 parameters",
        parameters=LinearMnistParameters,
        build=build,
    )
)
