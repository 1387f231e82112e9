"""MobileNetV2: inverted residual blocks with linear bottlenecks.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv:1801.04381,
table 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register
from pipeline.models.shared.average import global_average

_STEM_FILTERS = 32
# (output channels at alpha 1, blocks, stride of the first one) of each stage; the first stage
# does not expand.
_STAGES = (
    (16, 1, 1),
    (24, 2, 2),
    (32, 3, 2),
    (64, 4, 2),
    (96, 3, 1),
    (160, 3, 2),
    (320, 1, 1),
)


@dataclass(frozen=True)
class MobilenetV2Parameters:
    """Alpha 1, 7 stages and 1280 head filters are the paper's network: 3,538,984 parameters at
    224x224x3 and 1,000 classes.

    The defaults have 26,650 (23,962 trainable) on 28x28x1 images and 10 classes.
    """

    alpha: float = parameter(0.25, "width multiplier: share of the paper's channels", above=0)
    expansion: int = parameter(6, "t: channels within a block over those that enter", minimum=1)
    stages: int = parameter(
        4, "the paper's first stages that are built", choices=tuple(range(1, 8))
    )
    stem_stride: int = parameter(1, "of the first convolution; the paper has 2", choices=(1, 2))
    head_filters: int = parameter(64, "channels of the last 1x1 convolution", minimum=1)


def multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8 that is at least 8 and at least 90 % of `channels`."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def build(parameters: MobilenetV2Parameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Convolution 3x3 -> stages of blocks -> convolution 1x1 -> global average -> softmax.

    A block expands by a 1x1 convolution, convolves depthwise 3x3, and projects by a 1x1
    convolution without activation; where stride and channels allow, its input is added. Padding
    is SAME, and every convolution is followed by batch normalization.
    """
    from tf_keras import Model, layers

    def normalized(x: Any, name: str, relu: bool = True) -> Any:
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x

    def pointwise(x: Any, filters: int, name: str, relu: bool = True) -> Any:
        x = layers.Conv2D(filters, kernel_size=1, use_bias=False, name=name)(x)
        return normalized(x, name, relu)

    def block(x: Any, filters: int, stride: int, expansion: int, name: str) -> Any:
        entering = x.shape[-1]
        y = x if expansion == 1 else pointwise(x, expansion * entering, f"{name}_expand")
        depthwise = f"{name}_depthwise"
        y = layers.DepthwiseConv2D(
            3, strides=stride, padding="same", use_bias=False, name=depthwise
        )(y)
        y = pointwise(normalized(y, depthwise), filters, f"{name}_project", relu=False)
        if stride == 1 and filters == entering:
            return layers.Add(name=f"{name}_add")([x, y])
        return y

    image = layers.Input(image_shape, name="image")
    x = layers.Conv2D(
        multiple_of_8(_STEM_FILTERS * parameters.alpha),
        kernel_size=3,
        strides=parameters.stem_stride,
        padding="same",
        use_bias=False,
        name="stem",
    )(image)
    x = normalized(x, "stem")
    for number, (filters, blocks, first_stride) in enumerate(_STAGES[: parameters.stages]):
        for index in range(blocks):
            x = block(
                x,
                multiple_of_8(filters * parameters.alpha),
                stride=first_stride if index == 0 else 1,
                expansion=parameters.expansion if number else 1,
                name=f"stage_{number + 1}_block_{index + 1}",
            )
    x = pointwise(x, parameters.head_filters, "head")
    x = global_average(x)
    x = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return Model(image, x, name="mobilenet_v2")


register(
    ModelDefinition(
        name="mobilenet_v2",
        summary="MobileNetV2 (2018): inverted residuals, first 4 stages at a quarter of the width",
        parameters=MobilenetV2Parameters,
        build=build,
    )
)
