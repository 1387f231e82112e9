"""Which calls have Armv7E-M candidates: what is not proved exact must stay portable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import armv7em_cases as draw
from pipeline.aot.armv7em import candidates
from pipeline.aot.program import ConstArray, KernelCall, int32_array


@pytest.fixture
def dense() -> KernelCall:
    call = draw.matrix_call(np.random.default_rng(5), rows=4, inputs=9, outputs=6, zero_point=-128)
    assert candidates(call)
    return call


def changed(call: KernelCall, **params: object) -> KernelCall:
    return replace(call, params={**call.params, **params})  # type: ignore[dict-item]


def test_a_weight_of_minus_128_stays_portable(dense: KernelCall) -> None:
    weights = np.ones((6, 9), np.int8)
    weights[3, 4] = -128
    assert candidates(changed(dense, weights=ConstArray("weights", weights))) == []


@pytest.mark.parametrize(
    ("last", "step"), [((1 << 23) - 1 - 9 * 127, 1), (-(1 << 23) + 9 * 128, -1)]
)
def test_a_sum_beyond_24_bits_stays_portable(dense: KernelCall, last: int, step: int) -> None:
    ones = changed(dense, weights=ConstArray("weights", np.ones((6, 9), np.int8)))
    assert candidates(changed(ones, bias=int32_array("bias", [0] * 5 + [last])))
    assert candidates(changed(ones, bias=int32_array("bias", [0] * 5 + [last + step]))) == []


@pytest.mark.parametrize("field", [{"output_low": -127}, {"output_high": 126}])
def test_a_narrower_output_range_stays_portable(dense: KernelCall, field: dict[str, int]) -> None:
    assert candidates(changed(dense, **field)) == []


def test_a_left_shift_stays_portable(dense: KernelCall) -> None:
    shifts = ConstArray("shifts", np.array([-6, -6, -6, 1, -6, -6], np.int8))
    assert candidates(changed(dense, shifts=shifts)) == []


def test_candidates_keep_operands_and_state_their_scratch(dense: KernelCall) -> None:
    for candidate in candidates(dense):
        (call,) = candidate.calls
        assert (call.inputs, call.outputs) == (dense.inputs, dense.outputs)
        assert candidate.scratch_bytes == call.scratch_bytes == 3 * 8 * 3  # pixels, words, steps
