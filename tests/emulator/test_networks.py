"""Random networks on the emulated core with its own kernels, against TFLM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drawn_networks import draw_network
from kernel_image import make_case, run_in_qemu
from pipeline.aot.goal import OPTIMIZE, Goal
from tflm import interpret

GRAPHS = 100

pytestmark = pytest.mark.emulator


def test_networks_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(411)
    cases = [
        make_case(
            draw_network(rng), rng, 2, Goal("cortex-m4f", optimize=OPTIMIZE[number % len(OPTIMIZE)])
        )
        for number in range(GRAPHS)
    ]

    results = run_in_qemu(cases, tmp_path)

    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w, f"case {number}, {case.goal}")
