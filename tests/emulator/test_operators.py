"""Operators' random cases on the emulated core, with the kernels made for it, against TFLM.

A sample of every operator for every goal, and 5,040 cases that run through Armv7E-M kernels.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from kernel_image import Case, make_case, run_in_qemu
from pipeline import ops
from pipeline.aot.goal import OPTIMIZE, Goal
from pipeline.aot.lowering import lower
from tflm import interpret

CASES_PER_OPERATOR = 12
CASES_PER_IMAGE = 70
IMAGES = 9
ACCELERATED = (
    "ADD",
    "AVERAGE_POOL_2D",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "MAX_POOL_2D",
    "MEAN",
    "MUL",
)
FASTEST = Goal("cortex-m4f", "latency")
MOST_DRAWS = 20_000

pytestmark = pytest.mark.emulator


def check(cases: Sequence[Case], folder: Path) -> None:
    """Runs cases on the emulated core; every output byte is TFLM's."""
    for number, (case, outputs) in enumerate(zip(cases, run_in_qemu(cases, folder), strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w, f"case {number}")


@pytest.mark.parametrize("kind", ops.definitions())
def test_operator_is_bit_identical_to_tflm(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(zlib.crc32(kind.encode()) + 1)
    draw = ops.definitions()[kind].draw
    goals = [Goal("cortex-m4f", OPTIMIZE[n % len(OPTIMIZE)]) for n in range(CASES_PER_OPERATOR)]
    check([make_case(draw(rng).model, rng, 3, goal) for goal in goals], tmp_path)


@pytest.mark.parametrize("image", range(IMAGES))
@pytest.mark.parametrize("kind", ACCELERATED)
def test_kernels_of_the_core_are_bit_identical_to_tflm(
    kind: str, image: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng([zlib.crc32(kind.encode()), image])
    draw = ops.definitions()[kind].draw
    cases: list[Case] = []
    for _ in range(MOST_DRAWS):
        case = make_case(draw(rng).model, rng, 3, FASTEST)
        if takes_kernels_of_the_core(case):
            cases.append(case)
        if len(cases) == CASES_PER_IMAGE:
            break
    assert len(cases) == CASES_PER_IMAGE, f"{len(cases)} of {MOST_DRAWS} draws have such kernels"
    check(cases, tmp_path)


def takes_kernels_of_the_core(case: Case) -> bool:
    return any(
        call.rendered is not None and call.rendered.template.startswith("armv7em/")
        for step in lower(case.graph, FASTEST).steps
        for call in step.calls
    )


def test_there_are_5000_cases() -> None:
    assert len(ACCELERATED) * IMAGES * CASES_PER_IMAGE >= 5000
