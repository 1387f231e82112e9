"""Spatial batch normalization: one mean and one variance per channel, over samples and places.

Ioffe and Szegedy, "Batch Normalization", 2015, algorithms 1 and 2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

EPSILON = 1e-3  # Keras's default
MOMENTUM = 0.99
_SAMPLES_AND_PLACES = (0, 1, 2)


def batch_norm_train(x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
    """Normalizes by the batch's own statistics.

    Args:
        x: (N, H, W, C), gamma, beta: (C,).

    Returns:
        y = gamma (x - mean) / sqrt(variance + EPSILON) + beta, mean and (biased) variance (C,).
    """
    mean, variance = x.mean(_SAMPLES_AND_PLACES), x.var(_SAMPLES_AND_PLACES)
    return batch_norm_test(x, gamma, beta, mean, variance), mean, variance


def batch_norm_test(x: Array, gamma: Array, beta: Array, mean: Array, variance: Array) -> Array:
    """The same by given statistics: those that `moving_average` collected in training."""
    y: Array = gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta
    return y


def moving_average(average: Array, of_batch: Array) -> Array:
    """The average after one more batch."""
    return MOMENTUM * average + (1 - MOMENTUM) * of_batch


def batch_norm_train_backward(dy: Array, x: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """dL/dx, dL/dgamma and dL/dbeta of `batch_norm_train`.

    With n = (x - mean) / deviation, x moves the output in three ways: through n itself, through
    the mean, and through the variance. The three terms of dx, gathered:
    gamma / deviation * (dy - mean(dy) - n mean(dy n)).
    """
    deviation = np.sqrt(x.var(_SAMPLES_AND_PLACES) + EPSILON)
    normalized = (x - x.mean(_SAMPLES_AND_PLACES)) / deviation
    mean_dy = dy.mean(_SAMPLES_AND_PLACES)
    mean_dy_normalized = (dy * normalized).mean(_SAMPLES_AND_PLACES)
    dx = gamma / deviation * (dy - mean_dy - normalized * mean_dy_normalized)
    dgamma = (dy * normalized).sum(_SAMPLES_AND_PLACES)
    return dx, dgamma, dy.sum(_SAMPLES_AND_PLACES)
