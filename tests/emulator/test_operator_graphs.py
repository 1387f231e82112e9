"""Random graphs of any operators on the emulated core, with the kernels made for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kernel_image import make_case, run_in_qemu
from operator_graphs import random_model
from pipeline.aot.goal import OPTIMIZE, Goal
from tflm import interpret

GRAPHS = 100

pytestmark = pytest.mark.emulator


def test_graphs_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    cases = []
    for number in range(GRAPHS):
        goal = Goal("cortex-m4f", OPTIMIZE[number % len(OPTIMIZE)])
        cases.append(make_case(random_model(rng), rng, 2, goal))

    results = run_in_qemu(cases, tmp_path)

    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w, f"graph {number}, {case.goal}")
