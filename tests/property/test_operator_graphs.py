"""Random graphs of any operators against TFLM: branches, views, shared constants, float borders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kernel_image import make_case, run_on_host
from operator_graphs import random_model
from pipeline.aot.goal import OPTIMIZE, Goal
from tflm import interpret

GRAPHS = 120
KINDS = 28  # of operators, that the generator knows


def test_graphs_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    cases = [
        make_case(random_model(rng), rng, 3, Goal(optimize=OPTIMIZE[number % len(OPTIMIZE)]))
        for number in range(GRAPHS)
    ]

    results = run_on_host(cases, tmp_path)

    constant = 0
    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w, f"graph {number}, {case.goal}")
        constant += len({b"".join(w.tobytes() for w in want) for want in expected}) == 1
    assert constant < 0.2 * GRAPHS, "too many outputs do not depend on their input"
    drawn = {op.kind for case in cases for op in case.graph.operators}
    assert len(drawn) == KINDS
