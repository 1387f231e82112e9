"""MAC16 kernels on the emulated core against their portable twins: the same bytes, nothing else
written; and what the layers cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import armv7em_cases as draw
from canary_image import KernelCase, run_cases
from emulated_boards import EMULATED
from pipeline.aot.cost import Candidate
from pipeline.aot.mac16 import xtensa_de212_candidates, xtensa_lx_candidates
from pipeline.aot.program import KernelCall

CASES = 200
ESP32 = [parameter for parameter in EMULATED if parameter.values == ("esp32_sim",)]
# The ESP32's own kernels run here, too: a library routine multiplies for them.
CORES: dict[str, Callable[[KernelCall], list[Candidate]]] = {
    "de212": xtensa_de212_candidates,
    "lx6": xtensa_lx_candidates,
}


def window(rng: np.random.Generator, kernels: tuple[int, ...]) -> draw.Window:
    kernel = int(rng.choice(kernels))
    return draw.Window(
        input=kernel + int(rng.integers(0, 9)),
        kernel=kernel,
        stride=int(rng.choice([1, 1, 2, 3])),
        same=bool(rng.integers(2)),
    )


def matrix(rng: np.random.Generator) -> KernelCall:
    rows, inputs, outputs = (int(size) for size in rng.integers(1, (8, 70, 12)))
    return draw.matrix_call(rng, rows, inputs, outputs, draw.zero_point(rng))


def conv(rng: np.random.Generator) -> KernelCall:
    return draw.conv_call(
        rng,
        window(rng, (1, 2, 3, 5)),
        window(rng, (1, 2, 3, 5)),
        channels=(int(rng.choice([1, 2, 3, 4, 5, 8, 12])), int(rng.integers(1, 10))),
        zero_points=(int(rng.choice([-128, 127, 0, 5])), draw.zero_point(rng)),
        batches=int(rng.choice([1, 1, 2])),
    )


def depthwise(rng: np.random.Generator) -> KernelCall:
    rows, columns = (
        draw.Window(int(size), 3, stride=0, same=bool(size < 3)) for size in rng.integers(1, 12, 2)
    )
    same, stride = bool(rng.integers(2)) or rows.same or columns.same, int(rng.integers(1, 3))
    return draw.depthwise_call(
        rng,
        *(draw.Window(w.input, 3, stride, same) for w in (rows, columns)),
        channels=(int(rng.integers(1, 9)), 1),
        zero_points=(int(rng.choice([-128, 127, 0, 5])), draw.zero_point(rng)),
    )


DRAWS = {"matrix": matrix, "conv": conv, "depthwise": depthwise}


@pytest.mark.parametrize("board_id", ESP32)
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("name", DRAWS)
def test_same_bytes_as_the_portable_kernel(
    board_id: str, core: str, name: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    cases: list[KernelCase] = []
    drawn = 0
    while len(cases) < CASES:
        call = DRAWS[name](rng)
        drawn += 1
        ways = CORES[core](call)
        if ways:
            way = ways[int(rng.integers(len(ways)))]
            cases.append(KernelCase(call, way, *(int(offset) for offset in rng.integers(0, 4, 2))))
    assert drawn < 4 * CASES
    for case, result in zip(cases, run_cases(cases, tmp_path, 1, board_id), strict=True):
        assert result.faults == (), (case.call.params, case.candidate.calls[0].kernel)
