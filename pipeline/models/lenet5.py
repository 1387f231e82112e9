"""LeNet-5 with the original's partial connections between feature maps.

LeCun, Bottou, Bengio, Haffner: "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 86(11), 1998: section II.B, table I.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register

# Table I: the maps of S2 that each map of C3 sees.
_C3_TABLE = (
    *((i, (i + 1) % 6, (i + 2) % 6) for i in range(6)),
    *((i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6) for i in range(6)),
    *((i, i + 1, (i + 3) % 6, (i + 4) % 6) for i in range(3)),
    tuple(range(6)),
)


@dataclass(frozen=True)
class Lenet5Parameters:
    """The defaults have 60,806 trainable parameters on 28x28x1 images and 10 classes.

    Those are 156 (C1), 60 * 25 + 16 = 1,516 (C3), 48,120 (C5), 10,164 (F6) and 850 (classes);
    with full connections C3 has 2,416 and all together 61,706. The paper's trainable
    subsampling (12 and 32 parameters) and Euclidean output units are plain ones here.
    """

    connections: str = parameter(
        "original",
        "of C3: 60 of 96 pairs of maps, as in the paper's table I, or all",
        choices=("original", "full"),
    )
    pooling: str = parameter("max", "of S2 and S4; the paper averages", choices=("average", "max"))
    activation: str = parameter("relu", "the paper has tanh", choices=("relu", "tanh"))


def build(parameters: Lenet5Parameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """C1 6@5x5 SAME -> S2 -> C3 16@5x5 -> S4 -> C5 120 -> F6 84 -> softmax.

    SAME padding stands for the paper's 32x32 frame around 28x28 digits. The original connections
    are a convolution with 900 zeros once converted: int8 inference multiplies by them.
    """
    from tf_keras import Sequential, layers

    activation = parameters.activation

    def pooling(name: str) -> Any:
        kind = layers.MaxPooling2D if parameters.pooling == "max" else layers.AveragePooling2D
        return kind(2, name=name)

    def c3() -> Any:
        if parameters.connections == "full":
            return layers.Conv2D(len(_C3_TABLE), 5, activation=activation, name="c3")
        from pipeline.training.table_convolution import TableConv2D

        return TableConv2D(_C3_TABLE, 5, activation, name="c3")

    return Sequential(
        [
            layers.Input(image_shape, name="image"),
            layers.Conv2D(6, 5, padding="same", activation=activation, name="c1"),
            pooling("s2"),
            c3(),
            pooling("s4"),
            layers.Flatten(name="flatten"),
            layers.Dense(120, activation=activation, name="c5"),
            layers.Dense(84, activation=activation, name="f6"),
            layers.Dense(classes, activation="softmax", name="probabilities"),
        ],
        name="lenet5",
    )


register(
    ModelDefinition(
        name="lenet5",
        summary="LeNet-5 (1998) with the original connections of C3: 60,806 parameters",
        parameters=Lenet5Parameters,
        build=build,
    )
)
