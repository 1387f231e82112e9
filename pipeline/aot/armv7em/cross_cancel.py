"""Weights for the multiply instructions of Armv7E-M, four to a word.

Four activations q0..q3 are a word X whose even bytes have their sign bits flipped; its halves are
q0 + 128 + 256 q1 and q2 + 128 + 256 q3. Four weights are a word R with the halves -256 w0 + w1 and
256 w2 - w3. With S = SXTB16(R) and U = UXTB16(X, ROR 16), SMLSD(X, S) + SMLSDX(U, R) is
256 (w0 (q0 + 128) + w1 q1 + w2 (q2 + 128) + w3 q3): what the low bytes of the halves add is
cancelled crosswise. One extension serves four activations and one four weights, where plain
SMLAD takes two each. templates/aot/armv7em/tile.j2 has the instructions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.aot.armv7em import requantization
from pipeline.aot.armv7em.requantization import Requantization
from pipeline.aot.program import ConstArray

_WAYS = 4  # shifts that a layer offers, so that layers can share a kernel
STEP_INPUTS = 4  # activations in a word
_INT8_MIN, _INT8_MAX = -128, 127
_SUM_LIMIT = 1 << (requantization.SUM_BITS - 1)


@dataclass(frozen=True, eq=False)
class PackedLayer:
    """Constants of one matrix layer for the tile kernels.

    Attributes:
        stream: int32, for every pair of output channels two biases, the words R of both channels
            in turn for every step, and the multipliers of both channels. An odd number of channels
            ends with a pair that repeats the channel before the last.
        steps: words R of one channel.
        signed: form of the requantization.
        shift, offset: of the requantization.
        immediate: whether the kernel is rendered for this shift, or takes any.
    """

    stream: ConstArray
    steps: int
    signed: bool
    shift: int
    offset: int
    immediate: bool

    @property
    def variant(self) -> str:
        """Names the kernels that fit."""
        return f"{'signed' if self.signed else 'relu'}{self.shift if self.immediate else ''}"


def pack(
    weights: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int64],
    multipliers: npt.NDArray[np.int32],
    shifts: npt.NDArray[np.int8],
    output_zero_point: int,
) -> list[PackedLayer]:
    """Packs a layer in all ways that the kernels take; none where it would not be exact.

    Args:
        weights: (output channels, inputs).
        bias: (output channels,), with the input's zero point folded in.
        multipliers, shifts: (output channels,), as for the portable kernels.
    """
    if weights.shape[0] < 2 or int(weights.min()) == _INT8_MIN:
        return []
    values = weights.astype(np.int64)
    sums = sum_bounds(values, bias)
    if int(sums[0].min()) < -_SUM_LIMIT or int(sums[1].max()) >= _SUM_LIMIT:
        return []
    steps = -(-values.shape[1] // STEP_INPUTS)
    layers = []
    # The signed form fits any zero point: a layer may share the kernel of others.
    for signed in (False, True) if output_zero_point == _INT8_MIN else (True,):
        ways = requantization.fits(multipliers, shifts, output_zero_point, sums, signed)[:_WAYS]
        made = [
            PackedLayer(
                ConstArray("stream", _stream(values, bias, steps, way)),
                steps,
                signed,
                way.shift,
                way.offset,
                immediate=True,
            )
            for way in ways
        ]
        layers += [*made, *(replace(layer, immediate=False) for layer in made[:1])]
    return layers


def sum_bounds(
    weights: npt.NDArray[np.int64], bias: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Smallest and largest sum of each output channel over all int8 inputs."""
    positive = np.maximum(weights, 0).sum(axis=1)
    negative = np.minimum(weights, 0).sum(axis=1)
    return (
        bias + positive * _INT8_MIN + negative * _INT8_MAX,
        bias + positive * _INT8_MAX + negative * _INT8_MIN,
    )


def _stream(
    weights: npt.NDArray[np.int64],
    bias: npt.NDArray[np.int64],
    steps: int,
    constants: Requantization,
) -> npt.NDArray[np.int32]:
    channels, inputs = weights.shape
    padded = np.zeros((channels, steps * STEP_INPUTS), np.int64)
    padded[:, :inputs] = weights
    w0, w1, w2, w3 = np.moveaxis(padded.reshape(channels, steps, STEP_INPUTS), 2, 0)
    words = ((w1 - 256 * w0) & 0xFFFF) | (((256 * w2 - w3) & 0xFFFF) << 16)
    start = ((bias - 128 * (w0 + w2).sum(axis=1)) << 8) + constants.phases
    firsts = [*range(0, channels - 1, 2), *([channels - 2] if channels % 2 else [])]
    first = np.array(firsts)
    pairs = np.stack([first, first + 1], axis=1)
    blocks = [
        start[pairs],
        np.moveaxis(words[pairs], 1, 2).reshape(len(first), -1),
        constants.multipliers[pairs],
    ]
    return np.concatenate(blocks, axis=1).ravel().astype(np.uint32).view(np.int32)


def template_values(packed: PackedLayer) -> tuple[tuple[str, int | str], ...]:
    """What templates/aot/armv7em/tile.j2 depends on."""
    return (
        ("signed", int(packed.signed)),
        ("shift", packed.shift if packed.immediate else 0),
        ("variant", packed.variant),
    )


def instructions(packed: PackedLayer, pixels: int, channels: int, gather: int) -> int:
    """Estimate for all tiles, from the instructions of templates/aot/armv7em/tile.j2.

    Args:
        gather: instructions to fill the patch of one pixel.
    """
    pairs = -(-channels // 2)
    extra = 2 if packed.signed else 0  # for every output
    extra += 0 if packed.immediate else 1 + int(packed.signed)
    pair = 6 if packed.signed else 0
    tile = 18 * packed.steps + 3 * -(-packed.steps // 4) + 31 + 6 * extra + pair
    single = 8 * packed.steps + 23 + 2 * extra + pair
    tiles, rest = divmod(pixels, 3)
    return tiles * (pairs * tile + 60) + rest * (pairs * single + 50) + pixels * gather


def code_parts(packed: PackedLayer, tiled: bool) -> tuple[tuple[str, int], ...]:
    """Machine code of the tile kernels."""
    extra = 8 if packed.signed else 0  # for every output
    pair = 24 if packed.signed else 0
    parts = [(f"armv7em_tile1_{packed.variant}", 192 + 2 * extra + pair)]
    if tiled:
        parts.append((f"armv7em_tile3_{packed.variant}", 482 + 6 * extra + pair))
    return tuple(parts)
