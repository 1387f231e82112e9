"""Random networks of several operators: chains, residual and inception-like branches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.network import Activations, Network, PaddingKind
from pipeline.ops.shared.cases import between, chance, pick

_LARGEST_BYTES = 3000  # of an activation


def draw_network(rng: np.random.Generator) -> bytes:
    """A .tflite file of 1 to about 20 operators on one image; sometimes with several outputs."""
    shape = (1, between(rng, 3, 14), between(rng, 1, 12), pick(rng, (1, 2, 3, 4, 8)))
    net = Network(shape, int(rng.integers(1 << 30)))
    x = net.input
    outputs = []
    for _ in range(between(rng, 2, 6)):
        drawn = pick(rng, _BLOCKS)(rng, net, x)
        if drawn is None or np.prod(drawn.shape) > _LARGEST_BYTES:
            continue  # operators whose output nobody reads stay in the file
        x = drawn
        if chance(rng, 0.06):
            outputs.append(x)
    ending = between(rng, 0, 3)
    if ending == 1:
        x = net.mean(x)
    if ending >= 2:
        x = net.softmax(net.dense(net.flatten(x), between(rng, 2, 9)))
    if x is net.input:
        x = net.hard_swish(x)
    return net.build(*(output for output in outputs if output is not x), x)


def draw_early_pool(rng: np.random.Generator) -> bytes:
    """A 1x1 convolution of one channel and the max-pool behind it, which can be computed first."""
    net = Network((1, between(rng, 2, 9), between(rng, 2, 13), 1), int(rng.integers(1 << 30)))
    x = net.input
    if chance(rng, 0.5):
        x = net.depthwise(x, activation=pick(rng, ("NONE", "RELU6")))
    x = net.conv(x, between(rng, 2, 9), 1, activation=pick(rng, ("NONE", "RELU", "RELU6")))
    padding: PaddingKind = pick(rng, ("SAME", "VALID"))
    size = pick(rng, (2, 2, 2, 3, (1, 2), (3, 2))) if min(x.shape[1:3]) > 2 else 2
    return net.build(net.pool(x, "MAX", size, pick(rng, (None, None, 1, 2)), padding))


Block = Callable[[np.random.Generator, Network, Activations], Activations | None]


def _convolution(rng: np.random.Generator, net: Network, x: Activations) -> Activations | None:
    kernel = pick(rng, (1, 3, 3, 5, (3, 1), (2, 3)))
    high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = pick(rng, ("SAME", "SAME", "VALID"))
    if padding == "VALID" and (high > x.shape[1] or wide > x.shape[2]):
        return None
    filters = pick(rng, (1, 3, 4, 8, 13))
    stride = pick(rng, (1, 1, 1, 2))
    return net.conv(x, filters, kernel, stride, pick(rng, ("RELU", "RELU6", "NONE")), padding)


def _depthwise(rng: np.random.Generator, net: Network, x: Activations) -> Activations | None:
    kernel = pick(rng, (1, 3, 3, 5))
    padding = pick(rng, ("SAME", "SAME", "VALID"))
    if padding == "VALID" and kernel > min(x.shape[1:3]):
        return None
    return net.depthwise(x, kernel, pick(rng, (1, 1, 2)), pick(rng, ("RELU", "NONE")), padding)


def _padded(rng: np.random.Generator, net: Network, x: Activations) -> Activations | None:
    """A PAD, mostly of a convolution's own size, and what reads it."""
    sides = [(between(rng, 0, 2), between(rng, 0, 2)) for _ in range(2)]
    padded = net.pad(x, sides[0], sides[1])
    return pick(rng, (_convolution, _convolution, _depthwise, _depthwise, _pool))(rng, net, padded)


def _pool(rng: np.random.Generator, net: Network, x: Activations) -> Activations | None:
    size = pick(rng, (2, 2, 3))
    padding = pick(rng, ("SAME", "VALID"))
    if padding == "VALID" and size > min(x.shape[1:3]):
        return None
    return net.pool(x, pick(rng, ("MAX", "AVERAGE")), size, pick(rng, (1, 2, 3)), padding)


def _residual(rng: np.random.Generator, net: Network, x: Activations) -> Activations:
    """An inverted residual block; the shortcut where stride and channels allow it."""
    stride = pick(rng, (1, 1, 2))
    y = net.conv(x, between(rng, 2, 4) * x.shape[3], 1, activation="RELU6")
    y = net.depthwise(y, pick(rng, (3, 3, 5)), stride)
    channels = x.shape[3] if chance(rng, 0.7) else between(rng, 1, 8)
    y = net.conv(y, channels, 1, activation="NONE")
    return net.add(x, y) if x.shape == y.shape else y


def _branches(rng: np.random.Generator, net: Network, x: Activations) -> Activations:
    """Two or three convolutions of one input, added or put side by side."""
    squeezed = net.conv(x, between(rng, 1, 4), 1) if chance(rng, 0.6) else x
    filters = pick(rng, (2, 3, 4, 8))
    parts = [net.conv(squeezed, filters, pick(rng, (1, 3))) for _ in range(between(rng, 2, 3))]
    if chance(rng, 0.4):
        return net.add(parts[0], parts[1], pick(rng, ("RELU", "NONE")))
    return net.concatenate(*parts)


def _excitation(rng: np.random.Generator, net: Network, x: Activations) -> Activations:
    y = net.conv(net.mean(x), between(rng, 1, 4), 1)
    return net.multiply(x, net.hard_sigmoid(net.conv(y, x.shape[3], 1, activation="NONE")))


def _elementwise(rng: np.random.Generator, net: Network, x: Activations) -> Activations:
    return net.hard_swish(x) if chance(rng, 0.6) else net.add(x, x)


_BLOCKS: tuple[Block, ...] = (
    _convolution,
    _convolution,
    _depthwise,
    _padded,
    _pool,
    _residual,
    _residual,
    _branches,
    _branches,
    _excitation,
    _elementwise,
)
