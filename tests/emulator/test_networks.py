"""Random networks on the emulated core with its own kernels, against TFLM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drawn_networks import draw_early_pool, draw_network
from kernel_image import check_against_tflm, make_case, run_in_qemu
from pipeline.aot.goal import OPTIMIZE, Goal
from pipeline.aot.lowering import lower

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

    check_against_tflm(cases, results)


def test_pools_that_are_computed_first_are_bit_identical_to_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    cases = [make_case(draw_early_pool(rng), rng, 4, Goal("cortex-m4f")) for _ in range(60)]
    check_against_tflm(cases, run_in_qemu(cases, tmp_path))
    kernels = [lower(case.graph, case.goal).kernels for case in cases]
    assert sum("extremes" in " ".join(names) for names in kernels) > 50
