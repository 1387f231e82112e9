"""Every operator against TFLM's own interpreter, on random shapes, attributes and quantization."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from kernel_image import make_case, run_on_host
from pipeline import ops
from pipeline.ops import OperatorDefinition, SingleOpCase
from tflm import interpret

CASES_PER_OPERATOR = 125
DRAWS_FOR_RARE_OPTIONS = 2000


def draw_cases(definition: OperatorDefinition, rng: np.random.Generator) -> list[SingleOpCase]:
    """Random cases; after the first ones only those that bring an option not yet drawn."""
    cases: list[SingleOpCase] = []
    missing = set(definition.options)
    for number in range(DRAWS_FOR_RARE_OPTIONS):
        if number >= CASES_PER_OPERATOR and not missing:
            break
        case = definition.draw(rng)
        assert case.labels <= definition.options
        if number < CASES_PER_OPERATOR or missing & case.labels:
            cases.append(case)
            missing -= case.labels
    assert not missing, f"options stated but never drawn: {sorted(missing)}"
    return cases


@pytest.mark.parametrize("kind", ops.definitions())
def test_operator_is_bit_identical_to_tflm(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    drawn = draw_cases(ops.definitions()[kind], rng)
    cases = [make_case(case.model, rng) for case in drawn]

    results = run_on_host(cases, tmp_path)

    constant = 0
    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for vector, (got, want) in enumerate(zip(outputs, expected, strict=True)):
            for output, (g, w) in enumerate(zip(got, want, strict=True)):
                np.testing.assert_array_equal(
                    g, w, f"{kind} case {number}, vector {vector}, output {output}"
                )
        constant += len({want[0].tobytes() for want in expected}) == 1
    assert constant < 0.2 * len(cases), "too many outputs do not depend on their input"


def test_enough_cases() -> None:
    assert len(ops.definitions()) * CASES_PER_OPERATOR >= 2000
