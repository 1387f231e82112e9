"""MobileNetV3-Small: inverted residuals with squeeze-and-excitation and hard-swish.

Howard et al., "Searching for MobileNetV3", arXiv:1905.02244, table 2; squeeze-and-excitation: Hu
et al., arXiv:1709.01507.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register
from pipeline.models.mobilenet_v2 import multiple_of_8
from pipeline.models.shared.average import global_average

_STEM_FILTERS = 16
# (kernel, expansion, output channels at alpha 1, squeezes and excites, hard-swish instead of
# ReLU, stride) of each block.
_BLOCKS = (
    (3, 1, 16, True, False, 2),
    (3, 72 / 16, 24, False, False, 2),
    (3, 88 / 24, 24, False, False, 1),
    (5, 4, 40, True, True, 2),
    *((5, 6, 40, True, True, 1),) * 2,
    *((5, 3, 48, True, True, 1),) * 2,
    (5, 6, 96, True, True, 2),
    *((5, 6, 96, True, True, 1),) * 2,
)
_LAST_EXPANSION = 6  # channels of the last convolution over those of the last block


@dataclass(frozen=True)
class MobilenetV3Parameters:
    """Alpha 1, 11 blocks, stem stride 2 and 1024 head units are the paper's network: 2,554,968
    parameters at 224x224x3 and 1,000 classes.

    The defaults have 36,578 (34,994 trainable) on 28x28x1 images and 10 classes.
    """

    alpha: float = parameter(0.25, "width multiplier: share of the paper's channels", above=0)
    blocks: int = parameter(
        6, "the paper's first blocks that are built", choices=tuple(range(1, 12))
    )
    reduction: int = parameter(
        4, "squeeze-and-excitation: channels over those they are squeezed to", minimum=1
    )
    stem_stride: int = parameter(1, "of the first convolution; the paper has 2", choices=(1, 2))
    head_units: int = parameter(64, "units between the global average and the classes", minimum=1)


def build(parameters: MobilenetV3Parameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Convolution 3x3 -> blocks -> convolution 1x1 -> global average -> dense -> softmax.

    As MobileNetV2's blocks, with the depthwise convolution's result weighted channel by channel
    (squeeze-and-excitation) in those that have it. Squeezed channels are rounded to a multiple
    of 8. The paper's convolutions of 1x1 pixels in the head are dense layers here.
    """
    from tf_keras import Model, layers

    def hard_sigmoid(x: Any, name: str) -> Any:
        """relu6(x + 3) / 6."""
        return layers.ReLU(6.0, name=name)(x + 3.0) * (1.0 / 6.0)

    def activated(x: Any, swish: bool, name: str) -> Any:
        if not swish:
            return layers.ReLU(name=f"{name}_relu")(x)
        # Conversion makes one HARD_SWISH of it.
        return layers.Multiply(name=f"{name}_swish")([x, hard_sigmoid(x, f"{name}_sigmoid")])

    def convolution(x: Any, filters: int, kernel: int, name: str, stride: int = 1) -> Any:
        x = layers.Conv2D(
            filters, kernel, strides=stride, padding="same", use_bias=False, name=name
        )(x)
        return layers.BatchNormalization(name=f"{name}_norm")(x)

    def excited(x: Any, name: str) -> Any:
        channels = x.shape[-1]
        y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
        squeezed = multiple_of_8(channels / parameters.reduction)
        y = layers.Conv2D(squeezed, 1, activation="relu", name=f"{name}_reduce")(y)
        y = layers.Conv2D(channels, 1, name=f"{name}_restore")(y)
        return layers.Multiply(name=f"{name}_excite")([x, hard_sigmoid(y, f"{name}_weights")])

    def block(x: Any, row: tuple[int, float, int, bool, bool, int], name: str) -> Any:
        kernel, expansion, filters, excites, swish, stride = row
        filters, entering, y = multiple_of_8(filters * parameters.alpha), x.shape[-1], x
        if expansion != 1:
            expanded = multiple_of_8(entering * expansion)
            y = activated(convolution(x, expanded, 1, f"{name}_expand"), swish, f"{name}_expand")
        y = layers.DepthwiseConv2D(
            kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise"
        )(y)
        y = layers.BatchNormalization(name=f"{name}_depthwise_norm")(y)
        y = activated(y, swish, f"{name}_depthwise")
        if excites:
            y = excited(y, name)
        y = convolution(y, filters, 1, f"{name}_project")
        if stride == 1 and filters == entering:
            return layers.Add(name=f"{name}_add")([x, y])
        return y

    image = layers.Input(image_shape, name="image")
    x = convolution(image, _STEM_FILTERS, 3, "stem", parameters.stem_stride)
    x = activated(x, True, "stem")
    for number, row in enumerate(_BLOCKS[: parameters.blocks], start=1):
        x = block(x, row, f"block_{number}")
    x = convolution(x, multiple_of_8(_LAST_EXPANSION * x.shape[-1]), 1, "last")
    x = global_average(activated(x, True, "last"))
    x = activated(layers.Dense(parameters.head_units, name="head")(x), True, "head")
    x = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return Model(image, x, name="mobilenet_v3")


register(
    ModelDefinition(
        name="mobilenet_v3",
        summary="MobileNetV3-Small (2019): squeeze-and-excitation, hard-swish, first 6 blocks",
        parameters=MobilenetV3Parameters,
        build=build,
    )
)
