"""A dense autoencoder: the anomaly detector of MLPerf Tiny. It gives its input back.

Banbury et al., "MLPerf Tiny Benchmark", arXiv:2106.07597; Koizumi et al., arXiv:1908.03299.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register


@dataclass(frozen=True)
class AutoencoderParameters:
    """The defaults have 269,992 parameters (267,928 trainable) on 640 values, such as 128x5x1.

    On 28x28x1 images they have 307,000.
    """

    units: int = parameter(128, "units of the hidden layers", minimum=1)
    hidden_layers: int = parameter(4, "of encoder and decoder each", minimum=1)
    code_units: int = parameter(8, "values that the input is reduced to", minimum=1)


def build(parameters: AutoencoderParameters, image_shape: tuple[int, ...], _classes: int) -> Any:
    """Dense layers down to the code and up again, each with batch normalization and ReLU.

    Returns:
        A model with as many outputs as the image has values, in its order (row major): what the
        image would be if its code said everything. The pipeline judges it by the squared error.
    """
    import math

    from tf_keras import Sequential, layers

    def dense(units: int, name: str) -> list[Any]:
        return [
            layers.Dense(units, name=name),
            layers.BatchNormalization(name=f"{name}_norm"),
            layers.ReLU(name=f"{name}_relu"),
        ]

    hidden = [(side, n) for side in ("encode", "decode") for n in range(parameters.hidden_layers)]
    stacks = [dense(parameters.units, f"{side}_{n + 1}") for side, n in hidden]
    stacks.insert(parameters.hidden_layers, dense(parameters.code_units, "code"))
    return Sequential(
        [
            layers.Input(image_shape, name="image"),
            layers.Flatten(name="flatten"),
            *(layer for stack in stacks for layer in stack),
            layers.Dense(math.prod(image_shape), name="reconstruction"),
        ],
        name="autoencoder",
    )


register(
    ModelDefinition(
        name="autoencoder",
        summary="autoencoder of MLPerf Tiny: 269,992 parameters on 640 values",
        parameters=AutoencoderParameters,
        build=build,
        image_shape=(128, 5, 1),
    )
)
