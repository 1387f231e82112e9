"""The numpy reference: gradients against central differences, layers against their definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pipeline.reference import batch_normalization as norm
from pipeline.reference.convolution import conv2d, conv2d_backward, cross_correlate, pad_widths
from pipeline.reference.dense import dense, dense_backward, relu, relu_backward
from pipeline.reference.loss import cross_entropy, cross_entropy_backward
from pipeline.reference.network import (
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    MaxPool,
    ReLU,
    forward,
    train_sgd,
)
from pipeline.reference.pooling import (
    average_pool,
    average_pool_backward,
    max_pool,
    max_pool_backward,
)

RNG = np.random.default_rng(5)
IMAGES, KERNEL = RNG.normal(size=(2, 5, 6, 3)), RNG.normal(size=(3, 2, 3, 4))
LABELS = np.array([0, 2, 1, 2])
BIAS, GAMMA, BETA = (RNG.normal(size=size) for size in (4, 3, 3))
ROWS, MATRIX = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 4))


def conv(stride: int, padding: Any) -> tuple[Callable, Callable, Sequence[np.ndarray]]:
    return (
        lambda x, k, b: conv2d(x, k, b, stride, padding),
        lambda dy, x, k, b: conv2d_backward(dy, x, k, stride, padding),
        (IMAGES, KERNEL, BIAS),
    )


DERIVATIVES = {
    "dense": (dense, lambda dy, x, w, b: dense_backward(dy, x, w), (ROWS, MATRIX, BIAS)),
    "relu": (relu, lambda dy, x: (relu_backward(dy, x),), (ROWS,)),
    "convolution, same": conv(1, "same"),
    "convolution, same, stride 2": conv(2, "same"),
    "convolution, valid, stride 3": conv(3, "valid"),
    "max-pool": (max_pool, lambda dy, x: (max_pool_backward(dy, x),), (IMAGES,)),
    "max-pool, overlapping": (
        lambda x: max_pool(x, 3, 1),
        lambda dy, x: (max_pool_backward(dy, x, 3, 1),),
        (IMAGES,),
    ),
    "average pool": (average_pool, lambda dy, x: (average_pool_backward(dy, x),), (IMAGES,)),
    "batch normalization": (
        lambda x, gamma, beta: norm.batch_norm_train(x, gamma, beta)[0],
        lambda dy, x, gamma, beta: norm.batch_norm_train_backward(dy, x, gamma),
        (IMAGES, GAMMA, BETA),
    ),
    "cross-entropy, mean": (
        lambda z: np.array(cross_entropy(z, LABELS)),
        lambda dy, z: (dy * cross_entropy_backward(z, LABELS),),
        (ROWS,),
    ),
    "cross-entropy, sum": (
        lambda z: np.array(cross_entropy(z, LABELS, "sum")),
        lambda dy, z: (dy * cross_entropy_backward(z, LABELS, "sum"),),
        (ROWS,),
    ),
}


def numeric_gradient(function: Callable, arguments: Sequence[np.ndarray], which: int, dy: Any):
    """d(sum of dy * f)/d(one argument) by central differences."""
    step = 1e-6
    gradient = np.zeros_like(arguments[which])
    for index in np.ndindex(gradient.shape):
        moved = []
        for sign in (1, -1):
            changed = [argument.copy() for argument in arguments]
            changed[which][index] += sign * step
            moved.append((dy * function(*changed)).sum())
        gradient[index] = (moved[0] - moved[1]) / (2 * step)
    return gradient


@pytest.mark.parametrize("name", DERIVATIVES)
def test_gradients_are_those_of_central_differences(name: str) -> None:
    function, backward, arguments = DERIVATIVES[name]
    dy = np.random.default_rng(1).normal(size=np.shape(function(*arguments)))
    gradients = backward(dy, *arguments)
    assert len(gradients) == len(arguments)
    for which, gradient in enumerate(gradients):
        numeric = numeric_gradient(function, arguments, which, dy)
        np.testing.assert_allclose(gradient, numeric, atol=1e-7, rtol=1e-6)


def test_convolution_is_cross_correlation_summed_over_channels() -> None:
    y = conv2d(IMAGES, KERNEL, BIAS, stride=2, padding="same")
    rows, columns = pad_widths(5, 3, 2, "same"), pad_widths(6, 2, 2, "same")
    padded = np.pad(IMAGES, ((0, 0), rows, columns, (0, 0)))
    for n, o in np.ndindex(2, 4):
        every = sum(cross_correlate(padded[n, :, :, c], KERNEL[:, :, c, o]) for c in range(3))
        np.testing.assert_allclose(y[n, :, :, o], every[::2, ::2] + BIAS[o])


def test_batch_normalization_in_training_leaves_beta_and_gamma_as_mean_and_deviation() -> None:
    y, mean, variance = norm.batch_norm_train(IMAGES, GAMMA, BETA)
    np.testing.assert_allclose(y.mean((0, 1, 2)), BETA)
    shrunk = np.sqrt(variance / (variance + norm.EPSILON))
    np.testing.assert_allclose(y.std((0, 1, 2)), np.abs(GAMMA) * shrunk)
    np.testing.assert_array_equal(norm.batch_norm_test(IMAGES, GAMMA, BETA, mean, variance), y)


@pytest.mark.training
def test_a_network_has_the_gradients_and_the_steps_of_tensorflow() -> None:
    from pipeline.training.tensorflow_setup import tensorflow

    tf = tensorflow()
    import tf_keras as keras

    rng = np.random.default_rng(3)
    images = rng.normal(size=(12, 9, 8, 2)).astype(np.float32)
    labels = rng.integers(0, 5, 12)
    network = [
        Conv2D(rng, 2, 4, size=3, stride=2, padding="same"),
        BatchNorm(4),
        ReLU(),
        MaxPool(2),
        Conv2D(rng, 4, 3, size=2, padding="valid"),
        Flatten(),
        Dense(rng, 3, 5),
    ]
    twin = keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, strides=2, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(3, 2),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    twin.build((None, 9, 8, 2))
    for variable, parameter in zip(
        twin.trainable_variables, [p for layer in network for p in layer.parameters], strict=True
    ):
        variable.assign(parameter)
    optimizer = keras.optimizers.SGD(0.05)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    order = np.arange(12)
    for ours in train_sgd(network, images, labels, np.tile(order, 3), 0.05, batch_size=12):
        with tf.GradientTape() as tape:
            theirs = loss(labels, twin(images, training=True))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
        gradients = tape.gradient(theirs, twin.trainable_variables)
        optimizer.apply_gradients(zip(gradients, twin.trainable_variables, strict=True))
    parameters = [p for layer in network for p in layer.parameters]
    for parameter, variable in zip(parameters, twin.trainable_variables, strict=True):
        np.testing.assert_allclose(parameter, variable.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(forward(network, images), twin(images), rtol=1e-3, atol=1e-5)
