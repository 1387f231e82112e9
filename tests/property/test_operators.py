"""Every operator against TFLM's own interpreter, on random shapes, attributes and quantization."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from kernel_image import make_case, run_on_host
from tflm import interpret
from pipeline import ops

CASES_PER_OPERATOR = 125


@pytest.mark.parametrize("kind", ops.definitions())
def test_operator_is_bit_identical_to_tflm(kind: str, tmp_path: Path) -> None:
    definition = ops.definitions()[kind]
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    drawn = [definition.draw(rng) for _ in range(CASES_PER_OPERATOR)]
    cases = [make_case(case.model, rng) for case in drawn]

    results = run_on_host(cases, tmp_path)

    varying = 0
    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for vector, (got, want) in enumerate(zip(outputs, expected, strict=True)):
            for output, (g, w) in enumerate(zip(got, want, strict=True)):
                np.testing.assert_array_equal(
                    g, w, f"{kind} case {number}, vector {vector}, output {output}"
                )
        varying += len({want[0].tobytes() for want in expected}) > 1
    assert varying > 0.8 * len(cases), "most cases must have outputs that depend on their input"
    assert frozenset().union(*(case.labels for case in drawn)) == definition.options


def test_enough_cases() -> None:
    assert len(ops.definitions()) * CASES_PER_OPERATOR >= 2000
