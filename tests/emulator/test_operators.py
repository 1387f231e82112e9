"""A sample of every operator's random cases on the emulated core, with the kernels made for it."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from kernel_image import make_case, run_in_qemu
from pipeline import ops
from pipeline.aot.goal import OPTIMIZE, Goal
from tflm import interpret

CASES_PER_OPERATOR = 12

pytestmark = pytest.mark.emulator


@pytest.mark.parametrize("kind", ops.definitions())
def test_operator_is_bit_identical_to_tflm(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(zlib.crc32(kind.encode()) + 1)
    definition = ops.definitions()[kind]
    cases = [
        make_case(
            definition.draw(rng).model, rng, 3, Goal("cortex-m4f", OPTIMIZE[number % len(OPTIMIZE)])
        )
        for number in range(CASES_PER_OPERATOR)
    ]

    results = run_in_qemu(cases, tmp_path)

    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w, f"{kind} case {number}")
