"""DS-CNN: depthwise-separable convolutions on a spectrogram, the keyword spotter of MLPerf Tiny.

Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers", arXiv:1711.07128; Banbury et
al., "MLPerf Tiny Benchmark", arXiv:2106.07597.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register
from pipeline.models.shared.average import global_average


@dataclass(frozen=True)
class DsCnnParameters:
    """The defaults have 24,908 parameters (23,756 trainable) on 49x10x1 spectrograms, 12 classes.

    On 28x28x1 images and 10 classes they have 24,778.
    """

    filters: int = parameter(64, "channels of all convolutions", minimum=1)
    blocks: int = parameter(4, "depthwise-separable blocks", minimum=1)


def build(parameters: DsCnnParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Convolution 10x4, stride 2 -> blocks of depthwise 3x3 and 1x1 -> global average -> softmax.

    Padding is SAME; every convolution is followed by batch normalization and ReLU. The height of
    the input is time, its width the frequency.
    """
    from tf_keras import Model, layers

    def activated(x: Any, name: str) -> Any:
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    image = layers.Input(image_shape, name="image")
    x = layers.Conv2D(parameters.filters, (10, 4), strides=2, padding="same", name="stem")(image)
    x = activated(x, "stem")
    for number in range(1, parameters.blocks + 1):
        depthwise, pointwise = f"depthwise_{number}", f"pointwise_{number}"
        x = activated(layers.DepthwiseConv2D(3, padding="same", name=depthwise)(x), depthwise)
        x = activated(layers.Conv2D(parameters.filters, 1, name=pointwise)(x), pointwise)
    x = global_average(x)
    x = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return Model(image, x, name="ds_cnn")


register(
    ModelDefinition(
        name="ds_cnn",
        summary="DS-CNN of MLPerf Tiny: 24,908 parameters at 49x10x1",
        parameters=DsCnnParameters,
        build=build,
        image_shape=(49, 10, 1),
        classes=12,
    )
)
