"""Max and average over windows of an image, without padding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def max_pool(x: Array, size: int = 2, stride: int = 2) -> Array:
    """The largest of every window of size x size, per channel.

    Args:
        x: (N, H, W, C).

    Returns:
        (N, (H - size) // stride + 1, (W - size) // stride + 1, C).
    """
    largest: Array = _taps(x, size, stride).max(axis=0)
    return largest


def max_pool_backward(dy: Array, x: Array, size: int = 2, stride: int = 2) -> Array:
    """dL/dx: the whole gradient goes to the largest; of equals to the first in row order."""
    taken = _taps(x, size, stride).argmax(axis=0)
    shares = np.stack([np.where(taken == tap, dy, 0) for tap in range(size * size)])
    return _spread(shares, x, size, stride)


def average_pool(x: Array, size: int = 2, stride: int = 2) -> Array:
    """The mean of every window; shapes as `max_pool`."""
    means: Array = _taps(x, size, stride).mean(axis=0)
    return means


def average_pool_backward(dy: Array, x: Array, size: int = 2, stride: int = 2) -> Array:
    """dL/dx: every element of a window gets 1 / size^2 of the gradient."""
    shares = np.broadcast_to(dy / (size * size), (size * size, *dy.shape))
    return _spread(shares, x, size, stride)


def _taps(x: Array, size: int, stride: int) -> Array:
    """(size * size, N, H', W', C): for every place within a window, that element of all windows."""
    height, width = ((length - size) // stride + 1 for length in x.shape[1:3])
    return np.stack(
        [
            x[:, k : k + stride * height : stride, m : m + stride * width : stride]
            for k in range(size)
            for m in range(size)
        ]
    )


def _spread(shares: Array, x: Array, size: int, stride: int) -> Array:
    """The transpose of `_taps`: adds every share where its element was taken from."""
    dx = np.zeros_like(x)
    height, width = shares.shape[2:4]
    for tap, share in enumerate(shares):
        k, m = divmod(tap, size)
        dx[:, k : k + stride * height : stride, m : m + stride * width : stride] += share
    return dx
