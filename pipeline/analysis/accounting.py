"""Networks that are counted and never trained: VGG16, an Inception block, kinds of a 7x7 layer.

They are graphs without content, at batch 1, that `pipeline.analysis.analyze` takes like those of
a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.graph import DType, Graph, Operator, Quantization, Shape, Tensor
from pipeline.models.inception_mini import CHANNELS
from pipeline.ops.concatenation import ConcatenationAttributes
from pipeline.ops.fully_connected import FullyConnectedAttributes
from pipeline.ops.pool_2d import Pool2DAttributes
from pipeline.ops.shared.convolution import ConvolutionAttributes
from pipeline.ops.shared.rules import Activation, Padding

_UNIT = Quantization((1.0,), (0,))
_VGG16_STACKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions


@dataclass(frozen=True)
class Account:
    """A network for accounting.

    Attributes:
        summary: one line for listings.
        graph: makes it.
    """

    name: str
    summary: str
    graph: Callable[[], Graph]


def weights_of(graph: Graph) -> int:
    """Weights without biases."""
    return sum(t.size for t in graph.tensors if t.is_constant and len(t.shape) > 1)


class _Layers:
    """Adds int8 layers one by one: stride 1, SAME padding, ReLU."""

    def __init__(self, shape: Shape, bias: bool) -> None:
        """`shape` is (1, height, width, channels); without `bias` layers have weights only."""
        self._tensors: list[Tensor] = []
        self._operators: list[Operator] = []
        self._bias = bias
        self.input = self._activation(shape)

    def graph(self, output: Tensor) -> Graph:
        return Graph(tuple(self._tensors), tuple(self._operators), (self.input,), (output,))

    def conv(self, x: Tensor, filters: int, kernel: int | tuple[int, int]) -> Tensor:
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        attributes = ConvolutionAttributes(1, 1, 1, 1, Padding.SAME, Activation.RELU)
        constants = self._constants((filters, high, wide, x.shape[3]))
        return self._add("CONV_2D", (x, *constants), (*x.shape[:3], filters), attributes)

    def pool(self, x: Tensor, size: int, stride: int) -> Tensor:
        attributes = Pool2DAttributes(size, size, stride, stride, Padding.SAME, Activation.NONE)
        high, wide = (math.ceil(length / stride) for length in x.shape[1:3])
        return self._add("MAX_POOL_2D", (x,), (1, high, wide, x.shape[3]), attributes)

    def concatenate(self, *parts: Tensor) -> Tensor:
        shape = (*parts[0].shape[:3], sum(part.shape[3] for part in parts))
        return self._add("CONCATENATION", parts, shape, ConcatenationAttributes(3, Activation.NONE))

    def flatten(self, x: Tensor) -> Tensor:
        return self._add("RESHAPE", (x,), (1, x.size), None)

    def dense(self, x: Tensor, units: int) -> Tensor:
        attributes = FullyConnectedAttributes(Activation.RELU, False, False)
        constants = self._constants((units, x.shape[1]))
        return self._add("FULLY_CONNECTED", (x, *constants), (1, units), attributes)

    def _constants(self, shape: Shape) -> tuple[Tensor, ...]:
        """Weights of that shape, and a bias for every output, which is the first dimension."""
        weights = self._constant(shape, DType.INT8)
        return (weights, self._constant(shape[:1], DType.INT32)) if self._bias else (weights,)

    def _constant(self, shape: Shape, dtype: DType) -> Tensor:
        # A view of a single zero: VGG16's weights would be 138 MB.
        content = np.broadcast_to(np.zeros((), dtype.numpy), shape)
        return self._tensor(Tensor(len(self._tensors), "", shape, dtype, _UNIT, content))

    def _activation(self, shape: Shape) -> Tensor:
        return self._tensor(Tensor(len(self._tensors), "", shape, DType.INT8, _UNIT))

    def _tensor(self, tensor: Tensor) -> Tensor:
        self._tensors.append(tensor)
        return tensor

    def _add(
        self, kind: str, inputs: tuple[Tensor, ...], shape: Shape, attributes: object
    ) -> Tensor:
        output = self._activation(shape)
        index = len(self._operators)
        self._operators.append(Operator(index, kind, 1, inputs, (output,), attributes))
        return output


def vgg16() -> Graph:
    """Configuration D of arXiv:1409.1556 on 224x224x3 images, 1,000 classes, with biases."""
    net = _Layers((1, 224, 224, 3), bias=True)
    x = net.input
    for filters, convolutions in _VGG16_STACKS:
        for _ in range(convolutions):
            x = net.conv(x, filters, 3)
        x = net.pool(x, 2, 2)
    x = net.flatten(x)
    for units in (4096, 4096, 1000):
        x = net.dense(x, units)
    return net.graph(x)


def inception_block(reduction: bool) -> Graph:
    """A block of `inception_mini` at full width on 32x32x256, without biases."""
    net = _Layers((1, 32, 32, 256), bias=False)
    at_3x3 = at_5x5 = x = net.input
    pooled = net.pool(x, 3, 1)
    if reduction:
        at_3x3 = net.conv(x, CHANNELS.reduced_3x3, 1)
        at_5x5 = net.conv(x, CHANNELS.reduced_5x5, 1)
        pooled = net.conv(pooled, CHANNELS.after_pool, 1)
    branches = (
        net.conv(x, CHANNELS.filters_1x1, 1),
        net.conv(at_3x3, CHANNELS.filters_3x3, 3),
        net.conv(at_5x5, CHANNELS.filters_5x5, 5),
        pooled,
    )
    return net.graph(net.concatenate(*branches))


# Layers that see 7x7 pixels: (kernel, output channels over input channels C) of each convolution.
_BOTTLENECK = ((1, 0.5), (3, 0.5), (1, 1.0))
FACTORISATIONS: Mapping[str, tuple[tuple[int | tuple[int, int], float], ...]] = {
    "7x7": ((7, 1.0),),
    "1x7_7x1": (((1, 7), 1.0), ((7, 1), 1.0)),
    "two_4x4": ((4, 1.0),) * 2,
    "three_3x3": ((3, 1.0),) * 3,
    "three_bottlenecks": _BOTTLENECK * 3,
}


def factorisation(name: str, channels: int = 64) -> Graph:
    """Convolutions from C to C channels on 32x32 that see as much as one of 7x7, without biases.

    Args:
        name: of FACTORISATIONS.
        channels: C, even.
    """
    net = _Layers((1, 32, 32, channels), bias=False)
    x = net.input
    for kernel, share in FACTORISATIONS[name]:
        x = net.conv(x, int(share * channels), kernel)
    return net.graph(x)


def _coefficient(name: str, channels: int = 64) -> str:
    return f"{weights_of(factorisation(name, channels)) / channels**2:g} C^2 weights"


def accounts() -> Mapping[str, Account]:
    """All networks for accounting by name."""
    listed = [
        Account("vgg16", "VGG16 (2014) at 224x224x3, 1,000 classes", vgg16),
        Account(
            "inception_naive", "Inception block on 32x32x256, naive", lambda: inception_block(False)
        ),
        Account(
            "inception_reduced",
            "Inception block on 32x32x256, dimensions reduced by 1x1",
            lambda: inception_block(True),
        ),
        *(
            Account(
                f"field_7x7_{name}",
                f"7x7 receptive field at C = 64: {name.replace('_', ' ')}, {_coefficient(name)}",
                lambda name=name: factorisation(name),  # type: ignore[misc]
            )
            for name in FACTORISATIONS
        ),
    ]
    return {account.name: account for account in listed}
