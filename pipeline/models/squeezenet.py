"""SqueezeNet: Fire modules, which squeeze channels before they convolve 3x3.

Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model
size", arXiv:1602.07360; layers and channels of the authors' version 1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.models import ModelDefinition, parameter, register
from pipeline.models.shared.average import global_average

_STEM_FILTERS = 64
# (squeeze channels, channels of either expand convolution) of each Fire module at alpha 1.
_FIRES = (
    *((16, 64),) * 2,
    *((32, 128),) * 2,
    *((48, 192),) * 2,
    *((64, 256),) * 2,
)
_POOL_BEFORE = (0, 2, 4)


@dataclass(frozen=True)
class SqueezenetParameters:
    """Alpha 1 and all 8 modules are the authors' 1,235,496 parameters at 3 channels, 1,000 classes.

    The defaults have 8,386 on 28x28x1 images and 10 classes.
    """

    alpha: float = parameter(0.25, "width multiplier: share of the published channels", above=0)
    fire_modules: int = parameter(
        4, "the network's first modules that are built", choices=tuple(range(1, 9))
    )
    stem_stride: int = parameter(2, "of the first convolution", choices=(1, 2))


def build(parameters: SqueezenetParameters, image_shape: tuple[int, ...], classes: int) -> Any:
    """Convolution 3x3 -> Fire modules with max-pools between -> 1x1 -> global average -> softmax.

    A Fire module is a 1x1 convolution (squeeze), then a 1x1 and a 3x3 side by side (expand),
    concatenated. Convolutions have ReLU and padding SAME. Unlike the authors' the last one has no
    ReLU: with so few channels it would silence whole classes.
    """
    from tf_keras import Model, layers

    def convolution(x: Any, filters: int, kernel: int, name: str, strides: int = 1) -> Any:
        return layers.Conv2D(
            max(1, int(filters * parameters.alpha)),
            kernel,
            strides=strides,
            padding="same",
            activation="relu",
            kernel_initializer="he_uniform",
            name=name,
        )(x)

    image = layers.Input(image_shape, name="image")
    x = convolution(image, _STEM_FILTERS, 3, "stem", parameters.stem_stride)
    for index, (squeeze, expand) in enumerate(_FIRES[: parameters.fire_modules]):
        name = f"fire_{index + 1}"
        if index in _POOL_BEFORE:
            x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
        x = convolution(x, squeeze, 1, f"{name}_squeeze")
        sides = [convolution(x, expand, kernel, f"{name}_expand_{kernel}") for kernel in (1, 3)]
        x = layers.Concatenate(name=f"{name}_concatenate")(sides)
    x = layers.Conv2D(classes, 1, name="classes")(x)
    x = global_average(x)
    x = layers.Softmax(name="probabilities")(x)
    return Model(image, x, name="squeezenet")


register(
    ModelDefinition(
        name="squeezenet",
        summary="SqueezeNet 1.1 (2016): Fire modules, 8,386 parameters at 28x28x1",
        parameters=SqueezenetParameters,
        build=build,
    )
)
