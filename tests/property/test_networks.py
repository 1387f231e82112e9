"""Random networks against TFLM: row fusion, shared memory and constants that exist once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drawn_networks import draw_early_pool, draw_network
from kernel_image import Case, make_case, run_on_host
from pipeline.aot.goal import OPTIMIZE, Goal
from pipeline.aot.lowering import lower
from tflm import Arrays, interpret

GRAPHS = 120


def check(cases: Sequence[Case], results: Sequence[Sequence[Arrays]]) -> None:
    """Every output byte is TFLM's."""
    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w, f"case {number}, {case.goal}")


def test_networks_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(2026)
    cases = [
        make_case(draw_network(rng), rng, 2, Goal(optimize=OPTIMIZE[number % len(OPTIMIZE)]))
        for number in range(GRAPHS)
    ]

    results = run_on_host(cases, tmp_path)

    check(cases, results)
    steps = [step for case in cases for step in lower(case.graph, case.goal).steps]
    assert sum(bool(step.loops) for step in steps) >= GRAPHS // 4, "too few fused steps to tell"
    assert sum(bool(step.leads) for step in steps) >= GRAPHS // 2


def test_pools_that_are_computed_first_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    cases = [make_case(draw_early_pool(rng), rng, 4, Goal()) for _ in range(60)]
    check(cases, run_on_host(cases, tmp_path))
    kernels = [lower(case.graph, case.goal).kernels for case in cases]
    assert sum("extremes" in " ".join(names) for names in kernels) > 50
