"""The nine networks of the benchmark table.

LeNet-5: LeCun et al. 1998 with ReLU and max-pools. DS-CNN, MobileNetV1 and ResNet-8 have the layers
of MLPerf Tiny v1 (keyword spotting, visual wake words, image classification). The "-like" networks
have the blocks of arXiv:1801.04381, 1905.02244 and 1602.07360 at 32x32x3, small enough for a
microcontroller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.network import Activations, Network

_CLASSES = 10


def _head(net: Network, x: Activations, classes: int = _CLASSES) -> bytes:
    return net.build(net.softmax(net.dense(x, classes)))


def sepconv_mnist() -> bytes:
    """As pipeline/models/sepconv_mnist.py."""
    net = Network((1, 28, 28, 1), seed=1)
    x = net.input
    for filters in (8, 4):
        x = net.conv(net.depthwise(x, activation="NONE"), filters, 1)
        x = net.pool(x, "MAX", 2)
    return _head(net, net.dense(net.flatten(x), 32, "RELU"))


def conv_mnist() -> bytes:
    """As pipeline/models/conv_mnist.py."""
    net = Network((1, 28, 28, 1), seed=2)
    x = net.input
    for filters in (8, 8):
        x = net.pool(net.conv(x, filters, 3), "MAX", 2)
    return _head(net, net.dense(net.flatten(x), 32, "RELU"))


def lenet5() -> bytes:
    """Two 5x5 convolutions (6 SAME, 16 VALID), dense 120, 84, 10."""
    net = Network((1, 28, 28, 1), seed=3)
    x = net.pool(net.conv(net.input, 6, 5), "MAX", 2)
    x = net.pool(net.conv(x, 16, 5, padding="VALID"), "MAX", 2)
    x = net.flatten(x)
    for units in (120, 84):
        x = net.dense(x, units, "RELU")
    return _head(net, x)


def ds_cnn_kws() -> bytes:
    """A 10x4 convolution with stride 2, four blocks of 64 channels, 12 classes."""
    net = Network((1, 49, 10, 1), seed=4)
    x = net.conv(net.input, 64, (10, 4), stride=2)
    for _ in range(4):
        x = net.conv(net.depthwise(x, activation="RELU"), 64, 1)
    x = net.pool(x, "AVERAGE", (25, 5))
    return _head(net, net.flatten(x), 12)


def mobilenet_v1() -> bytes:
    """Width 0.25, 2 classes."""
    net = Network((1, 96, 96, 3), seed=5)
    x = net.conv(net.input, 8, 3, stride=2, activation="RELU6")
    blocks = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *((128, 1),) * 5)
    for filters, stride in (*blocks, (256, 2), (256, 1)):
        x = net.conv(net.depthwise(x, stride=stride), filters, 1, activation="RELU6")
    x = net.pool(x, "AVERAGE", 3)
    return _head(net, net.flatten(x), 2)


def mobilenet_v2_like() -> bytes:
    """Inverted residuals: (expansion, channels, repeats, first stride)."""
    net = Network((1, 32, 32, 3), seed=6)
    x = net.conv(net.input, 16, 3, activation="RELU6")
    for expansion, channels, repeats, first in (
        (1, 8, 1, 1),
        (6, 16, 2, 2),
        (6, 20, 2, 2),
        (6, 28, 2, 1),
        (6, 40, 1, 2),
    ):
        for repeat in range(repeats):
            stride, y = (first if repeat == 0 else 1), x
            if expansion > 1:
                y = net.conv(y, expansion * x.shape[3], 1, activation="RELU6")
            y = net.depthwise(y, stride=stride)
            y = net.conv(y, channels, 1, activation="NONE")
            x = net.add(x, y) if stride == 1 and x.shape == y.shape else y
    x = net.conv(x, 128, 1, activation="RELU6")
    return _head(net, net.flatten(net.mean(x)))


def mobilenet_v3_like() -> bytes:
    """Inverted residuals with squeeze-and-excite and hard-swish.

    (kernel, expanded channels, channels, squeeze-and-excite, hard-swish, stride)
    """
    net = Network((1, 32, 32, 3), seed=7)
    x = net.hard_swish(net.conv(net.input, 16, 3, stride=2, activation="NONE"))
    for kernel, expanded, channels, excite, swish, stride in (
        (3, 16, 16, True, False, 1),
        (3, 72, 24, False, False, 2),
        (3, 88, 24, False, False, 1),
        (5, 96, 32, True, True, 1),
        (5, 128, 32, True, True, 2),
    ):
        y = _activated(net, x, expanded, swish)
        y = net.depthwise(y, kernel, stride, "NONE" if swish else "RELU")
        y = net.hard_swish(y) if swish else y
        y = _squeeze_excite(net, y) if excite else y
        y = net.conv(y, channels, 1, activation="NONE")
        x = net.add(x, y) if stride == 1 and x.shape == y.shape else y
    x = _activated(net, x, 128, swish=True)
    x = net.hard_swish(net.dense(net.flatten(net.mean(x)), 64))
    return _head(net, x)


def _activated(net: Network, x: Activations, filters: int, swish: bool) -> Activations:
    if not swish:
        return net.conv(x, filters, 1)
    return net.hard_swish(net.conv(x, filters, 1, activation="NONE"))


def _squeeze_excite(net: Network, x: Activations) -> Activations:
    y = net.conv(net.mean(x), max(8, x.shape[3] // 4), 1)
    y = net.conv(y, x.shape[3], 1, activation="NONE")
    return net.multiply(x, net.hard_sigmoid(y))


def squeezenet_like() -> bytes:
    """Fire modules (squeeze, expand of either kernel) with max-pools between."""
    net = Network((1, 32, 32, 3), seed=8)
    x = net.conv(net.input, 16, 3)
    for squeeze, expand, pooled in (
        (8, 32, True),
        (8, 32, False),
        (12, 48, True),
        (12, 48, False),
        (16, 48, True),
    ):
        if pooled:
            x = net.pool(x, "MAX", 3, 2, "SAME")
        squeezed = net.conv(x, squeeze, 1)
        x = net.concatenate(net.conv(squeezed, expand, 1), net.conv(squeezed, expand, 3))
    x = net.conv(x, _CLASSES, 1)
    return net.build(net.softmax(net.flatten(net.mean(x))))


def resnet8() -> bytes:
    """Three stacks of 16, 32 and 64 channels."""
    net = Network((1, 32, 32, 3), seed=9)
    x = net.conv(net.input, 16, 3)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.conv(x, filters, 3, stride)
        y = net.conv(y, filters, 3, activation="NONE")
        shortcut = x if stride == 1 else net.conv(x, filters, 1, stride, activation="NONE")
        x = net.add(shortcut, y, "RELU")
    x = net.pool(x, "AVERAGE", 8)
    return _head(net, net.flatten(x))


MODELS: Mapping[str, Callable[[], bytes]] = {
    "sepconv_mnist": sepconv_mnist,
    "conv_mnist": conv_mnist,
    "lenet5": lenet5,
    "ds_cnn_kws": ds_cnn_kws,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2_like": mobilenet_v2_like,
    "mobilenet_v3_like": mobilenet_v3_like,
    "squeezenet_like": squeezenet_like,
    "resnet8": resnet8,
}
