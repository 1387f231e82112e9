"""Layers that know their parameters, a chain of them, and its training by SGD."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.reference import batch_normalization as norm
from pipeline.reference.convolution import Padding, conv2d, conv2d_backward
from pipeline.reference.dense import dense, dense_backward, relu, relu_backward
from pipeline.reference.loss import Labels, Reduction, cross_entropy, cross_entropy_backward
from pipeline.reference.pooling import max_pool, max_pool_backward

Array = npt.NDArray[np.floating]


class Layer(Protocol):
    """`parameters` and `gradients` are in the same order; `backward` follows its `forward`."""

    parameters: list[Array]
    gradients: list[Array]

    def forward(self, x: Array, training: bool) -> Array: ...

    def backward(self, dy: Array) -> Array: ...


def glorot_uniform(
    rng: np.random.Generator, shape: Sequence[int], fan_in: int, fan_out: int
) -> Array:
    """Uniform within +-sqrt(6 / (fan_in + fan_out)), float32 (Glorot and Bengio, 2010)."""
    limit = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


class Dense:
    """(N, inputs) -> (N, units); weights (inputs, units), bias (units,)."""

    def __init__(self, rng: np.random.Generator, inputs: int, units: int) -> None:
        weights = glorot_uniform(rng, (inputs, units), inputs, units)
        self.parameters = [weights, np.zeros(units, np.float32)]
        self.gradients: list[Array] = []

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x
        return dense(x, *self.parameters)

    def backward(self, dy: Array) -> Array:
        dx, *self.gradients = dense_backward(dy, self._x, self.parameters[0])
        return dx


class Conv2D:
    """(N, H, W, channels) -> (N, H', W', filters) with a size x size kernel."""

    def __init__(
        self,
        rng: np.random.Generator,
        channels: int,
        filters: int,
        size: int = 3,
        stride: int = 1,
        padding: Padding = "same",
    ) -> None:
        taps = size * size
        kernel = glorot_uniform(
            rng, (size, size, channels, filters), taps * channels, taps * filters
        )
        self.parameters = [kernel, np.zeros(filters, np.float32)]
        self.gradients: list[Array] = []
        self._stride, self._padding = stride, padding

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x
        kernel, bias = self.parameters
        return conv2d(x, kernel, bias, self._stride, self._padding)

    def backward(self, dy: Array) -> Array:
        dx, *self.gradients = conv2d_backward(
            dy, self._x, self.parameters[0], self._stride, self._padding
        )
        return dx


class BatchNorm:
    """Spatial batch normalization of `channels` channels; shapes stay."""

    def __init__(self, channels: int) -> None:
        self.parameters = [np.ones(channels, np.float32), np.zeros(channels, np.float32)]
        self.gradients: list[Array] = []
        self.mean: Array = np.zeros(channels, np.float32)
        self.variance: Array = np.ones(channels, np.float32)

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x
        gamma, beta = self.parameters
        if not training:
            return norm.batch_norm_test(x, gamma, beta, self.mean, self.variance)
        y, mean, variance = norm.batch_norm_train(x, gamma, beta)
        self.mean = norm.moving_average(self.mean, mean)
        self.variance = norm.moving_average(self.variance, variance)
        return y

    def backward(self, dy: Array) -> Array:
        dx, *self.gradients = norm.batch_norm_train_backward(dy, self._x, self.parameters[0])
        return dx


class ReLU:
    """max(x, 0)."""

    def __init__(self) -> None:
        self.parameters: list[Array] = []
        self.gradients: list[Array] = []

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x
        return relu(x)

    def backward(self, dy: Array) -> Array:
        return relu_backward(dy, self._x)


class MaxPool:
    """(N, H, W, C) -> (N, H // size, W // size, C): windows side by side."""

    def __init__(self, size: int = 2) -> None:
        self.parameters: list[Array] = []
        self.gradients: list[Array] = []
        self._size = size

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x
        return max_pool(x, self._size, self._size)

    def backward(self, dy: Array) -> Array:
        return max_pool_backward(dy, self._x, self._size, self._size)


class Flatten:
    """(N, ...) -> (N, product of the rest), row major."""

    def __init__(self) -> None:
        self.parameters: list[Array] = []
        self.gradients: list[Array] = []

    def forward(self, x: Array, training: bool) -> Array:
        self._shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self._shape)


def forward(layers: Sequence[Layer], x: Array, training: bool = False) -> Array:
    """Logits (N, classes) of images (N, H, W, C)."""
    for layer in layers:
        x = layer.forward(x, training)
    return x


def accuracy(layers: Sequence[Layer], images: Array, labels: Labels) -> float:
    """Share of right classes, 0..1."""
    return float((forward(layers, images).argmax(axis=1) == labels).mean())


def train_sgd(
    layers: Sequence[Layer],
    images: Array,
    labels: Labels,
    order: npt.NDArray[np.integer],
    learning_rate: float,
    batch_size: int = 100,
    reduction: Reduction = "mean",
) -> Iterator[float]:
    """Takes one step of SGD per batch, parameter -= learning_rate * gradient, in place.

    Args:
        images: (N, H, W, C), labels: (N,).
        order: indices of samples in the order they are shown: the epochs one after another.

    Yields:
        The loss of every batch before its step.
    """
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        logits = forward(layers, images[batch], training=True)
        yield cross_entropy(logits, labels[batch], reduction)
        gradient = cross_entropy_backward(logits, labels[batch], reduction)
        for layer in reversed(layers):
            gradient = layer.backward(gradient)
            for parameter, step in zip(layer.parameters, layer.gradients, strict=True):
                parameter -= learning_rate * step
