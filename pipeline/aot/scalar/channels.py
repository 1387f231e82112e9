"""Constants of output channels for the scalar kernels (templates/aot/scalar/requantize.j2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.aot.params import array, full_int8_range, integer
from pipeline.aot.program import KernelCall

Int64Array = npt.NDArray[np.int64]
Clamp = Literal["relu", "int8", "range"]

_INT32_LIMIT = 1 << 31
_LARGEST_SHIFT = 22
# Parts of a multiplier and their bits (the first part has what is left of 31): the fewer, the
# faster; the more, the larger the sums that fit.
_WHOLE = (1, 0)
_SPLITS = ((3, 10), (4, 8), (5, 7), (6, 6))


@dataclass(frozen=True, eq=False)
class Requantization:
    """How a kernel gets from its sums to TensorFlow Lite's outputs.

    Attributes:
        words: (channels, words) int64, the fields of a scalar_channel in order: bias, parts of the
            multiplier, offset, shift.
        parts: of the multiplier; 1 where the core has a high multiplication.
        part_bits: of every part but the first.
        clamp: "relu" where the zero point is the lowest output, "int8" where all of int8 is left.
    """

    words: Int64Array
    parts: int
    part_bits: int
    clamp: Clamp

    @property
    def values(self) -> tuple[tuple[str, int | str], ...]:
        """What the templates take."""
        return ("parts", self.parts), ("part_bits", self.part_bits), ("clamp", self.clamp)

    @property
    def suffix(self) -> str:
        """What tells the kernels apart."""
        parts = "" if self.parts == 1 else f"_{self.parts}parts"
        return parts + {"relu": "_relu", "int8": "", "range": "_clamped"}[self.clamp]


def requantization(
    call: KernelCall, weights: npt.NDArray[np.int8], bias: Int64Array, multiplies_high: bool
) -> Requantization | None:
    """The cheapest way that is proved exact, or None where there is none.

    With y = round(sum * multiplier / 2^31), ties upwards, TensorFlow Lite's output is y / 2^s, ties
    away from zero, plus the zero point. Let z = floor(sum * multiplier / 2^(31 - f)), f >= 1, be y
    before it was rounded, with f bits of fraction. Then y >= t is z >= 2^f * t - 2^(f-1) for every
    integer t, and the output is (z + offset) >> (s + f) with
    offset = 2^(f-1) + 2^(s+f-1) + (zero point << (s + f)), less 2^f where z is negative.

    Args:
        call: a portable call with multipliers, shifts, output_zero_point and an activation range.
        weights: (channels, inputs).
        bias: (channels,), with the input's zero point folded in.
        multiplies_high: whether the core gives the upper half of a product.
    """
    multipliers = array(call, "multipliers").astype(np.int64)
    shifts = -array(call, "shifts").astype(np.int64)
    # Such a channel's output is the zero point at any shift.
    shifts = np.where(multipliers == 0, 1, shifts)
    if int(shifts.min()) < 1 or int(shifts.max()) > _LARGEST_SHIFT:
        return None
    sums = _largest_sums(weights, bias)
    for parts, bits in (_WHOLE,) if multiplies_high else _SPLITS:
        fraction = 1 if parts == 1 else 31 - (parts - 1) * bits
        unit = 1 << fraction
        zero = integer(call, "output_zero_point") << (shifts + fraction)
        offset = unit // 2 + (1 << (shifts + fraction - 1)) + zero
        z = (sums * multipliers >> (31 - fraction)) + 1
        fits = (z + np.abs(offset) + unit).max() < _INT32_LIMIT and (shifts + fraction).max() < 32
        factor = 4 if parts == 1 else (1 << bits) + 1  # the largest by which a sum is multiplied
        if fits and factor * int(sums.max()) < _INT32_LIMIT:
            columns = [bias, *_parts(multipliers, parts, bits), offset, shifts + fraction]
            return Requantization(np.stack(columns, axis=1), parts, bits, _clamp(call))
    return None


def as_words(channels: Int64Array) -> npt.NDArray[np.int32]:
    """Flat, modulo 2^32."""
    return channels.astype(np.uint32).view(np.int32).ravel()


def block_rows(outputs: int, block: int) -> npt.NDArray[np.intp]:
    """(blocks, block) channel indices; the last block ends with the last channel."""
    firsts = [*range(0, outputs - block, block), outputs - block]
    return np.array([range(first, first + block) for first in firsts])


def _largest_sums(weights: npt.NDArray[np.int8], bias: Int64Array) -> Int64Array:
    """(channels,): the largest magnitude that a sum with its bias can have."""
    wide = weights.astype(np.int64)
    above = np.maximum(-128 * wide, 127 * wide).sum(axis=1) + bias
    below = np.minimum(-128 * wide, 127 * wide).sum(axis=1) + bias
    largest: Int64Array = np.maximum(np.abs(above), np.abs(below))
    return largest


def _parts(multipliers: Int64Array, parts: int, bits: int) -> list[Int64Array]:
    lower = [multipliers >> (bits * part) & ((1 << bits) - 1) for part in range(parts - 1)]
    return [multipliers >> (bits * (parts - 1)), *reversed(lower)]


def _clamp(call: KernelCall) -> Clamp:
    if integer(call, "output_low") == integer(call, "output_zero_point"):
        return "relu"
    return "int8" if full_int8_range(call) else "range"
