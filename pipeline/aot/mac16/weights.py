"""Weights as bytes in words, from which the kernels make halves (firmware/kernels/mac16.h)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def pack_weights(
    weights: npt.NDArray[np.int8], order: tuple[int, int, int, int] = (0, 1, 2, 3)
) -> npt.NDArray[np.int32] | None:
    """Four weights in a word, zeros behind each channel's last; None where a word has no room.

    The kernel masks bytes 0 and 2, then 1 and 3, and subtracts 0x007f0080 from either: what is
    stored is the halves wanted plus that. An upper half of -128 may not fit.

    Args:
        weights: (channels, inputs).
        order: which of four inputs the halves are.

    Returns:
        (channels * words,), flat.
    """
    padded = np.pad(weights.astype(np.int64), ((0, 0), (0, -weights.shape[1] % 4)))
    quads = padded.reshape(-1, 4)
    words = np.zeros(len(quads), np.int64)
    for pair, shift in ((order[:2], 0), (order[2:], 8)):
        low, high = (quads[:, k] for k in pair)
        upper = high + 127 + (low < 0)
        if int(upper.min(initial=0)) < 0:
            return None
        words |= (low + 128 | upper << 16) << shift
    return words.astype(np.uint32).view(np.int32)
