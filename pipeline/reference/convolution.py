"""Convolution as deep learning has it, which is cross-correlation: the kernel is not flipped."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
Padding = Literal["same", "valid"]


def cross_correlate(image: Array, kernel: Array) -> Array:
    """y[i, j] = sum over (k, l) of image[i + k, j + l] kernel[k, l]: the definition, as loops.

    Args:
        image: (H, W), kernel: (K, L), not larger than the image.

    Returns:
        (H - K + 1, W - L + 1): every place where the kernel lies within the image.
    """
    rows, columns = kernel.shape
    height, width = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    y = np.zeros((height, width), image.dtype)
    for i in range(height):
        for j in range(width):
            y[i, j] = (image[i : i + rows, j : j + columns] * kernel).sum()
    return y


def pad_widths(size: int, kernel: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Zeros before and behind an axis, as TensorFlow places them.

    With "same" the output has ceil(size / stride) elements; an odd number of zeros has the
    larger half behind.
    """
    if padding == "valid":
        return 0, 0
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv2d(
    x: Array, kernel: Array, bias: Array, stride: int = 1, padding: Padding = "same"
) -> Array:
    """y[n, i, j, o] = b[o] + sum over c of the cross-correlation of x[n, :, :, c] and
    kernel[:, :, c, o] at (stride i, stride j).

    Args:
        x: (N, H, W, C), kernel: (K, L, C, O), bias: (O,).

    Returns:
        (N, H', W', O).
    """
    windows = _windows(_padded(x, kernel.shape, stride, padding), kernel.shape, stride)
    return np.tensordot(windows, kernel, axes=([4, 5, 3], [0, 1, 2])) + bias


def conv2d_backward(
    dy: Array, x: Array, kernel: Array, stride: int = 1, padding: Padding = "same"
) -> tuple[Array, Array, Array]:
    """dL/dx (N, H, W, C), dL/dkernel (K, L, C, O) and dL/db (O,), from dy (N, H', W', O).

    A weight is multiplied by one element of every window, so its gradient is the sum over all
    windows of that element times the output's gradient. An element of x gets, through each tap
    of the kernel, the gradient of the output whose window has it under that tap.
    """
    padded = _padded(x, kernel.shape, stride, padding)
    windows = _windows(padded, kernel.shape, stride)
    dkernel = np.tensordot(windows, dy, axes=([0, 1, 2], [0, 1, 2])).transpose(1, 2, 0, 3)

    dpadded = np.zeros_like(padded)
    height, width = dy.shape[1:3]
    for k in range(kernel.shape[0]):
        for m in range(kernel.shape[1]):
            rows = slice(k, k + stride * height, stride)
            columns = slice(m, m + stride * width, stride)
            dpadded[:, rows, columns] += dy @ kernel[k, m].T
    top, _ = pad_widths(x.shape[1], kernel.shape[0], stride, padding)
    left, _ = pad_widths(x.shape[2], kernel.shape[1], stride, padding)
    dx = dpadded[:, top : top + x.shape[1], left : left + x.shape[2]]
    return dx, dkernel, dy.sum(axis=(0, 1, 2))


def _padded(x: Array, kernel_shape: tuple[int, ...], stride: int, padding: Padding) -> Array:
    rows = pad_widths(x.shape[1], kernel_shape[0], stride, padding)
    columns = pad_widths(x.shape[2], kernel_shape[1], stride, padding)
    return np.pad(x, ((0, 0), rows, columns, (0, 0)))


def _windows(padded: Array, kernel_shape: tuple[int, ...], stride: int) -> Array:
    """(N, H', W', C, K, L): a view, nothing is copied."""
    all_windows = np.lib.stride_tricks.sliding_window_view(padded, kernel_shape[:2], axis=(1, 2))
    return all_windows[:, ::stride, ::stride]
