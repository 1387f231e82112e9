"""Constants of output channels for the scalar kernels (firmware/kernels/scalar_channel.h)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.aot.armv7em.params import array, integer
from pipeline.aot.program import KernelCall

Int64Array = npt.NDArray[np.int64]

WORDS = 4  # int32 in a scalar_channel
_LARGEST_SHIFT = 22
_INT32_LIMIT = 1 << 31


def pack(call: KernelCall, weights: npt.NDArray[np.int8], bias: Int64Array) -> Int64Array | None:
    """(channels, WORDS): bias, twice the multiplier, rounding, shift.

    With y = round(sum * multiplier / 2^31), ties upwards, the kernels compute
    (y + rounding - (y < 0)) >> shift, where rounding is 2^(shift - 1) + (zero point << shift). That
    is TensorFlow Lite's y / 2^shift, ties away from zero, plus the zero point, as long as nothing
    overflows: no sum does, for |y| is at most |sum|.

    Args:
        call: a portable call with multipliers, shifts and output_zero_point.
        weights: (channels, inputs).
        bias: (channels,), with the input's zero point folded in.

    Returns:
        None where a channel shifts to the left or not at all, or a sum may overflow.
    """
    multipliers = array(call, "multipliers").astype(np.int64)
    shifts = -array(call, "shifts").astype(np.int64)
    # Such a channel's output is the zero point at any shift.
    shifts = np.where(multipliers == 0, 1, shifts)
    if int(shifts.min()) < 1 or int(shifts.max()) > _LARGEST_SHIFT:
        return None
    rounding = (1 << (shifts - 1)) + (integer(call, "output_zero_point") << shifts)
    largest = np.abs(bias) + 128 * np.abs(weights.astype(np.int64)).sum(axis=1)
    if int((largest + np.abs(rounding)).max()) + 1 >= _INT32_LIMIT:
        return None
    return np.stack([bias, 2 * multipliers, rounding, shifts], axis=1)


def as_words(channels: Int64Array) -> npt.NDArray[np.int32]:
    """Flat; multipliers are unsigned in the struct."""
    return channels.astype(np.uint32).view(np.int32).ravel()


def block_rows(outputs: int, block: int) -> npt.NDArray[np.intp]:
    """(blocks, block) channel indices; the last block ends with the last channel."""
    firsts = [*range(0, outputs - block, block), outputs - block]
    return np.array([range(first, first + block) for first in firsts])
