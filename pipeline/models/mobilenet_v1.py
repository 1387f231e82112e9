"""MobileNetV1: depthwise-separable blocks, thinner by a width multiplier.

Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", arXiv:1704.04861, table 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register
from pipeline.models.shared.average import global_average

_STEM_FILTERS = 32
# (output channels at alpha 1, stride) of each block.
_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


@dataclass(frozen=True)
class MobilenetV1Parameters:
    """The defaults are the paper's network at alpha 0.25.

    219,058 parameters (213,586 trainable) on 96x96x3 images and 2 classes. The first 7 blocks
    alone suit 28x28x1 images: 40,106 parameters (38,426 trainable) at 10 classes.
    """

    alpha: float = parameter(0.25, "width multiplier: share of the paper's channels", above=0)
    blocks: int = parameter(
        len(_BLOCKS), "the paper's first blocks that are built", choices=tuple(range(1, 14))
    )
    stem_stride: int = parameter(2, "of the first convolution", choices=(1, 2))


def build(parameters: MobilenetV1Parameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Convolution 3x3 -> blocks -> global average -> dense -> softmax, SAME padding throughout.

    A block is a depthwise 3x3 and a 1x1 convolution. Every convolution is followed by batch
    normalization, which conversion folds into it, and ReLU6. The paper's last 1x1 convolution is
    a dense layer here: the same sums, and no reshapes.
    """
    from tf_keras import Model, layers

    def normalized(x: Any, name: str) -> Any:
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x)

    def channels(at_full_width: int) -> int:
        return max(1, int(at_full_width * parameters.alpha))

    image = layers.Input(image_shape, name="image")
    x = layers.Conv2D(
        channels(_STEM_FILTERS),
        kernel_size=3,
        strides=parameters.stem_stride,
        padding="same",
        use_bias=False,
        name="stem",
    )(image)
    x = normalized(x, "stem")
    for number, (filters, stride) in enumerate(_BLOCKS[: parameters.blocks], start=1):
        depthwise, pointwise = f"depthwise_{number}", f"pointwise_{number}"
        x = layers.DepthwiseConv2D(
            kernel_size=3, strides=stride, padding="same", use_bias=False, name=depthwise
        )(x)
        x = normalized(x, depthwise)
        x = layers.Conv2D(channels(filters), kernel_size=1, use_bias=False, name=pointwise)(x)
        x = normalized(x, pointwise)
    x = global_average(x)
    x = layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return Model(image, x, name="mobilenet_v1")


register(
    ModelDefinition(
        name="mobilenet_v1",
        summary="MobileNetV1 (2017): 13 depthwise-separable blocks, 219,058 parameters at 96x96x3",
        parameters=MobilenetV1Parameters,
        build=build,
        image_shape=(96, 96, 3),
        classes=2,
    )
)
