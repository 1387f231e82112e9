"""The dense layer, and the rectifier that follows it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def dense(x: Array, weights: Array, bias: Array) -> Array:
    """y = x W + b.

    Args:
        x: (N, D), weights: (D, M), bias: (M,).

    Returns:
        (N, M).
    """
    return x @ weights + bias


def dense_backward(dy: Array, x: Array, weights: Array) -> tuple[Array, Array, Array]:
    """dL/dx (N, D), dL/dW (D, M) and dL/db (M,) of `dense`, from dy = dL/dy (N, M).

    y_nm depends on x_nd through W_dm: dx = dy W^T. It depends on W_dm through x_nd, in every
    sample: dW = x^T dy.
    """
    return dy @ weights.T, x.T @ dy, dy.sum(axis=0)


def relu(x: Array) -> Array:
    """max(x, 0), of any shape."""
    return np.maximum(x, 0)


def relu_backward(dy: Array, x: Array) -> Array:
    """dL/dx: dy where x is positive; 0 elsewhere, at x = 0 too."""
    return np.where(x > 0, dy, 0)
