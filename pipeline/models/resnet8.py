"""ResNet-8: three residual stacks, the image classifier of MLPerf Tiny.

Banbury et al., "MLPerf Tiny Benchmark", arXiv:2106.07597; He et al., arXiv:1512.03385.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register
from pipeline.models.shared.average import global_average


@dataclass(frozen=True)
class Resnet8Parameters:
    """The defaults have 78,666 parameters (78,186 trainable) on 32x32x3 images and 10 classes."""

    filters: int = parameter(
        16, "channels of the first stack; the second has 2 and the third 4 times as many", minimum=1
    )
    stem_stride: int = parameter(1, "of the first convolution", choices=(1, 2))


def build(parameters: Resnet8Parameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Convolution 3x3 -> 3 stacks -> global average -> softmax, SAME padding throughout.

    A stack is two 3x3 convolutions with a shortcut around them, which is a 1x1 convolution where
    the stack halves the image. Batch normalization follows all but the shortcuts.
    """
    from tf_keras import Model, layers

    def convolution(
        x: Any, filters: int, kernel: int, name: str, stride: int = 1, normalizes: bool = True
    ) -> Any:
        x = layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            kernel_initializer="he_normal",
            name=name,
        )(x)
        return layers.BatchNormalization(name=f"{name}_norm")(x) if normalizes else x

    def relu(x: Any, name: str) -> Any:
        return layers.ReLU(name=f"{name}_relu")(x)

    image = layers.Input(image_shape, name="image")
    x = relu(convolution(image, parameters.filters, 3, "stem", parameters.stem_stride), "stem")
    for number, (factor, stride) in enumerate(((1, 1), (2, 2), (4, 2)), start=1):
        filters, name = factor * parameters.filters, f"stack_{number}"
        y = relu(convolution(x, filters, 3, f"{name}_first", stride), f"{name}_first")
        y = convolution(y, filters, 3, f"{name}_second")
        if stride != 1:
            x = convolution(x, filters, 1, f"{name}_shortcut", stride, normalizes=False)
        x = relu(layers.Add(name=f"{name}_add")([x, y]), name)
    x = global_average(x)
    x = layers.Dense(
        classes, activation="softmax", kernel_initializer="he_normal", name="probabilities"
    )(x)
    return Model(image, x, name="resnet8")


register(
    ModelDefinition(
        name="resnet8",
        summary="ResNet-8 of MLPerf Tiny: 78,666 parameters at 32x32x3",
        parameters=Resnet8Parameters,
        build=build,
        image_shape=(32, 32, 3),
    )
)
