"""Kernels for cores without SIMD, under sanitizers on this computer: they give TFLM's bytes."""

from __future__ import annotations

import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.network import Network, PaddingKind
from kernel_image import Case, make_case, run_on_host
from pipeline import ops
from pipeline.aot.goal import Goal
from pipeline.aot.lowering import lower
from pipeline.aot.scalar import channels
from tflm import interpret

GOAL = Goal("rv32imc", "latency")
CASES = 60
# Core and operator -> the kernels that random cases must reach.
KERNELS = {
    ("rv32imc", "CONV_2D"): {"scalar_conv_s8_3x4", "scalar_matrix_s8_3x4"},
    ("rv32imc", "DEPTHWISE_CONV_2D"): {"scalar_depthwise_3x3_s8_stride_1"},
    ("rv32imc", "FULLY_CONNECTED"): {"scalar_matrix_s8_3x4"},
    ("xtensa-lx106", "CONV_2D"): {"scalar_conv_s8_3x2", "scalar_conv_s8_3x2_clamped"},
    ("xtensa-lx106", "FULLY_CONNECTED"): {"scalar_conv_s8_3x2"},
}


def scalar_cases(core: str, kind: str, rng: np.random.Generator) -> tuple[list[Case], Counter[str]]:
    """Random models of which a scalar kernel computes the operator, and how many take which."""
    cases: list[Case] = []
    used: Counter[str] = Counter()
    for _ in range(20 * CASES):
        goal = Goal(core, "latency")
        case = make_case(ops.definitions()[kind].draw(rng).model, rng, 3, goal)
        kernels = [k for k in lower(case.graph, goal).kernels if k.startswith("scalar_")]
        used.update(kernels)
        cases += [case] if kernels else []
        if len(cases) == CASES and set(used) >= KERNELS[core, kind]:
            break
    return cases[-CASES:], used


@pytest.mark.parametrize(("core", "kind"), KERNELS)
def test_scalar_kernels_are_bit_identical_to_tflm(core: str, kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    cases, used = scalar_cases(core, kind, rng)
    assert set(used) >= KERNELS[core, kind]

    require_tflms_bytes(cases, tmp_path)


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_at_the_strides_of_networks(stride: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(stride)
    cases = []
    for seed in range(30):
        height, width, depth = (int(size) for size in rng.integers(3, 12, 3))
        net = Network((1, height, width, depth), seed)
        padding: PaddingKind = "SAME" if rng.integers(2) else "VALID"
        model = net.build(net.depthwise(net.input, 3, stride, padding=padding))
        cases.append(make_case(model, rng, 3, GOAL))
    kernels = {kernel for case in cases for kernel in lower(case.graph, GOAL).kernels}
    assert f"scalar_depthwise_3x3_s8_stride_{stride}" in kernels

    require_tflms_bytes(cases, tmp_path)


def require_tflms_bytes(cases: list[Case], folder: Path) -> None:
    results = run_on_host(cases, folder)
    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w, f"case {number}")


def test_the_last_block_ends_with_the_last_channel() -> None:
    assert channels.block_rows(4, 4).tolist() == [[0, 1, 2, 3]]
    assert channels.block_rows(6, 4).tolist() == [[0, 1, 2, 3], [2, 3, 4, 5]]
    assert channels.block_rows(8, 4).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
