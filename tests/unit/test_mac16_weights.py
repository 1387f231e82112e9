"""Weights in words become the halves that the MAC16 kernels multiply, or are refused."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.aot.mac16.weights import pack_weights

WEIGHTS = arrays.arrays(
    np.int8, st.tuples(st.integers(1, 4), st.integers(1, 11)), elements=st.integers(-128, 127)
)


def halves(words: np.ndarray) -> np.ndarray:
    """What mac16_widen_weights (firmware/kernels/mac16.h) makes of them."""
    unsigned = words.view(np.uint32)
    pairs = np.stack([unsigned & 0x00FF00FF, unsigned >> 8 & 0x00FF00FF], axis=1)
    return (pairs - np.uint32(0x007F0080)).astype("<u4").view("<i2").ravel()


@given(WEIGHTS, st.permutations(range(4)))
def test_words_become_the_weights_in_order(weights: np.ndarray, order: list[int]) -> None:
    channels, inputs = weights.shape
    packed = pack_weights(weights, (order[0], order[1], order[2], order[3]))
    if packed is None:
        assert -128 in weights  # which an upper half may have no room for
        return
    quads = -(-inputs // 4)
    padded = np.zeros((channels, 4 * quads), np.int8)
    padded[:, :inputs] = weights
    wanted = padded.reshape(channels, quads, 4)[:, :, order].ravel()
    np.testing.assert_array_equal(halves(packed), wanted)


def test_an_upper_half_of_minus_128_has_room_behind_a_negative_lower_one_alone() -> None:
    assert pack_weights(np.array([[-1, -128, 0, 0]], np.int8)) is not None
    assert pack_weights(np.array([[0, -128, 0, 0]], np.int8)) is None
