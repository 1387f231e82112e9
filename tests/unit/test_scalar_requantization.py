"""Constants of the scalar kernels: the formula they stand for is TensorFlow Lite's rounding, and
pairs of weights are packed only where both sums fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.aot.program import ConstArray, KernelCall, int32_array
from pipeline.aot.scalar.channels import Int64Array, Requantization, requantization
from pipeline.aot.scalar.packing import chunk_of, fold_halves, pair_weights
from pipeline.fixed_point import multiply_by_quantized_multiplier

NO_WEIGHTS = np.zeros((1, 1), np.int8)


def call_of(multiplier: int, shift: int, zero_point: int, low: int) -> KernelCall:
    params = {
        "multipliers": int32_array("multipliers", [multiplier]),
        "shifts": ConstArray("shifts", np.array([shift], np.int8)),
        "output_zero_point": zero_point,
        "output_low": low,
        "output_high": 127,
    }
    return KernelCall("fully_connected_s8", params, (), ())


def output_of(found: Requantization, total: int, low: int) -> int:
    """What templates/aot/scalar/requantize.j2 computes; asserts that all of it fits 32 bits."""
    _, *multiplier, offset, shift = (int(word) for word in found.words[0])
    fraction = 31 - (found.parts - 1) * found.part_bits if found.parts > 1 else 1
    if found.parts == 1:
        z = _fits(total * 4) * multiplier[0] >> 32
    else:
        z = _fits(total * multiplier.pop())
        while multiplier:
            z = _fits(_fits(total * multiplier.pop()) + (z >> found.part_bits))
    if z < 0:
        z = 0 if found.clamp == "relu" else z - (1 << fraction)
    return max(low, min(127, _fits(_fits(z) + offset) >> shift))


def _fits(value: int) -> int:
    assert -(1 << 31) <= value < 1 << 31
    return value


@given(
    st.integers(1 << 30, (1 << 31) - 1),
    st.integers(-22, -1),
    st.integers(-128, 127),
    st.booleans(),
    st.booleans(),
    st.integers(0, 28).flatmap(lambda bits: st.integers(-(1 << bits), 1 << bits)),
)
def test_constants_give_tflites_rounding(
    multiplier: int, shift: int, zero_point: int, relu: bool, multiplies_high: bool, total: int
) -> None:
    low = zero_point if relu else -128
    bias: Int64Array = np.array([total], np.int64)
    found = requantization(
        call_of(multiplier, shift, zero_point, low), NO_WEIGHTS, bias, multiplies_high
    )
    assume(found is not None)
    assert found is not None
    for near in (total, -total, total - 1 if total > 0 else total + 1):
        expected = multiply_by_quantized_multiplier(near, multiplier, shift) + zero_point
        assert output_of(found, near, low) == max(low, min(127, expected))


@pytest.mark.parametrize("total", [1 << 30, 1 << 29])
def test_sums_that_do_not_fit_have_no_way(total: int) -> None:
    call = call_of(1 << 30, -8, 0, -128)
    bias: Int64Array = np.array([total], np.int64)
    assert requantization(call, NO_WEIGHTS, bias, multiplies_high=True) is None
    assert requantization(call, NO_WEIGHTS, bias, multiplies_high=False) is None


def test_left_shifts_have_no_way() -> None:
    bias: Int64Array = np.zeros(1, np.int64)
    for shift in (0, 1):
        call = call_of(1 << 30, shift, 0, -128)
        assert requantization(call, NO_WEIGHTS, bias, multiplies_high=True) is None


def test_chunks_are_as_long_as_the_weights_allow() -> None:
    def with_first(*values: int) -> np.ndarray:
        weights = np.zeros((2, 19), np.int8)
        weights[1, : len(values)] = values
        return weights

    assert chunk_of(with_first(63, -64, 64, -64)) == 4
    assert chunk_of(with_first(64, -64, 64, -64)) == 2
    assert chunk_of(with_first(127, -128, 1)) == 2
    assert chunk_of(with_first(-128, -128)) is None
    # What the unrolled loop leaves over is multiplied input by input.
    rest = with_first()
    rest[0, 16:] = -128
    assert chunk_of(rest) == 4


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_packed_sums_are_the_wanted_ones(seed: int, inputs: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (2, inputs)).astype(np.int8)
    chunk = chunk_of(weights)
    assert chunk is not None
    values = rng.choice([-128, 127, 5], inputs).astype(np.int64)
    words: Int64Array = rng.integers(-(1 << 20), 1 << 20, (1, 2, 4))
    folded = fold_halves(words, inputs, chunk)[0, :, 0]
    (pairs,) = pair_weights(weights.T[np.newaxis])
    both, high = (int(value) for value in folded)
    tiled = inputs // 8 * 8
    starts = [*range(0, tiled, chunk), *range(tiled, inputs)]
    for start, end in zip(starts, [*starts[1:], inputs], strict=True):
        word = 32768 + int(values[start:end] @ pairs[start:end, 0].astype(np.int64))
        both, high = both + _fits(word), high + (word >> 16)
    sums = weights.astype(np.int64) @ values + words[0, :, 0]
    assert [(both - (high << 16)) % 2**32, high] == [int(sums[0]) % 2**32, int(sums[1])]
