"""Random networks against TFLM: row fusion, shared memory and constants that exist once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drawn_networks import draw_network
from kernel_image import make_case, run_on_host
from pipeline.aot.goal import OPTIMIZE, Goal
from pipeline.aot.lowering import lower
from tflm import interpret

GRAPHS = 120


def test_networks_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(2026)
    cases = [
        make_case(draw_network(rng), rng, 2, Goal(optimize=OPTIMIZE[number % len(OPTIMIZE)]))
        for number in range(GRAPHS)
    ]

    results = run_on_host(cases, tmp_path)

    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w, f"case {number}, {case.goal}")
    steps = [step for case in cases for step in lower(case.graph, case.goal).steps]
    assert sum(bool(step.loops) for step in steps) >= GRAPHS // 4, "too few fused steps to tell"
    assert sum(bool(step.leads) for step in steps) >= GRAPHS // 2
