"""Random networks against TFLM: row fusion, shared memory and constants that exist once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drawn_networks import draw_early_pool, draw_network
from kernel_image import check_against_tflm, make_case, run_on_host
from pipeline.aot.goal import OPTIMIZE, Goal
from pipeline.aot.lowering import lower

GRAPHS = 120


def test_networks_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(2026)
    cases = [
        make_case(draw_network(rng), rng, 2, Goal(optimize=OPTIMIZE[number % len(OPTIMIZE)]))
        for number in range(GRAPHS)
    ]

    results = run_on_host(cases, tmp_path)

    check_against_tflm(cases, results)
    steps = [step for case in cases for step in lower(case.graph, case.goal).steps]
    assert sum(bool(step.loops) for step in steps) >= GRAPHS // 4, "too few fused steps to tell"
    assert sum(bool(step.leads) for step in steps) >= GRAPHS // 2


def test_pools_that_are_computed_first_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    cases = [make_case(draw_early_pool(rng), rng, 4, Goal()) for _ in range(60)]
    check_against_tflm(cases, run_on_host(cases, tmp_path))
    kernels = [lower(case.graph, case.goal).kernels for case in cases]
    assert sum("extremes" in " ".join(names) for names in kernels) > 50
