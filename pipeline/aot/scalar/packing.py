"""Pairs of weights in one word: a multiplication of 32 bits computes two products."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.aot.scalar.channels import Int64Array

CHUNKS = (4, 2)  # inputs whose products share a word, the faster ones first
_UNROLL = 8  # of the tile: what is left over is multiplied input by input
_LARGEST_SUM = 255  # 128 * 255 < 2^15


def chunk_of(weights: npt.NDArray[np.int8]) -> int | None:
    """How many inputs in a row may share a word, or None where not even two may.

    With inputs of magnitude 128 at the most, both halves of a word fit 16 bits signed if and only
    if the magnitudes of each channel's weights in a chunk sum to 255 at the most.

    Args:
        weights: (channels, inputs).
    """
    tiled = weights.shape[1] // _UNROLL * _UNROLL
    magnitudes = np.abs(weights[:, :tiled].astype(np.int64))
    for chunk in CHUNKS:
        if int(magnitudes.reshape(len(weights), -1, chunk).sum(axis=2).max(initial=0)) <= (
            _LARGEST_SUM
        ):
            return chunk
    return None


def pair_weights(blocks: npt.NDArray[np.int8]) -> npt.NDArray[np.int32]:
    """(blocks, inputs, channels) -> (blocks, inputs, channels / 2): first + 65536 * second."""
    wide = blocks.astype(np.int64)
    words: npt.NDArray[np.int32] = (wide[..., ::2] + (wide[..., 1::2] << 16)).astype(np.int32)
    return words


def fold_halves(words: Int64Array, inputs: int, chunk: int) -> Int64Array:
    """Channel constants whose biases undo what the packed sums hold beside the wanted ones.

    The word sums of a pair are S0 + 65536 * S1 + 32768 for every chunk, where S1 is summed beside
    them from its own bias; the kernel subtracts 65536 times that.

    Args:
        words: (blocks, channels, words) of scalar_channel.
    """
    folded = words.copy()
    chunks = inputs // _UNROLL * _UNROLL // chunk + inputs % _UNROLL
    folded[:, ::2, 0] += (words[:, 1::2, 0] << 16) - 32768 * chunks
    return folded
