"""Kernels for cores without SIMD, under sanitizers on this computer: they give TFLM's bytes."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.network import Network, PaddingKind
from kernel_image import Case, make_case, run_on_host
from pipeline import ops
from pipeline.aot import selection
from pipeline.aot.cost import Candidate
from pipeline.aot.goal import Goal
from pipeline.aot.lowering import lower
from pipeline.aot.mac16 import xtensa_de212_candidates, xtensa_lx_candidates
from pipeline.aot.program import KernelCall
from pipeline.aot.scalar import channels, rv32imc_candidates
from tflm import interpret

CASES = 60
# What a core may choose from, in parts: a selection would never take the slower of two.
WAYS: dict[str, Callable[[KernelCall], list[Candidate]]] = {
    "rv32imc": lambda call: [c for c in rv32imc_candidates(call) if not _packed(c)],
    "rv32imc, pairs": lambda call: [c for c in rv32imc_candidates(call) if _packed(c)],
    "xtensa-de212": xtensa_de212_candidates,
    "xtensa-lx6": xtensa_lx_candidates,
}
# Kernels that random cases must reach.
KERNELS = {
    ("rv32imc", "CONV_2D"): {f"scalar_conv_s8_3x4{c}" for c in ("", "_relu", "_clamped")},
    ("rv32imc", "FULLY_CONNECTED"): {"scalar_matrix_s8_3x4"},
    ("rv32imc", "DEPTHWISE_CONV_2D"): {"scalar_depthwise_3x3_s8_stride_1"},
    ("rv32imc, pairs", "CONV_2D"): {"scalar_conv_s8_2x4_pairs2", "scalar_matrix_s8_2x4_pairs2"},
    ("rv32imc, pairs", "FULLY_CONNECTED"): {"scalar_matrix_s8_2x4_pairs2"},
    ("xtensa-de212", "CONV_2D"): {f"mac16_conv_s8_3parts{c}" for c in ("", "_relu", "_clamped")},
    ("xtensa-de212", "FULLY_CONNECTED"): {"mac16_conv_s8_3parts"},
    ("xtensa-de212", "DEPTHWISE_CONV_2D"): {"mac16_depthwise_3x3_s8_stride_1_3parts"},
    ("xtensa-lx6", "CONV_2D"): {f"mac16_conv_s8{c}" for c in ("", "_relu", "_clamped")},
}


@pytest.fixture(autouse=True)
def _ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "_CANDIDATES", WAYS)


def _packed(candidate: Candidate) -> bool:
    return "_pairs" in candidate.calls[0].kernel


def scalar_kernels(case: Case) -> list[str]:
    return [k for k in lower(case.graph, case.goal).kernels if k.startswith(("scalar_", "mac16_"))]


def scalar_cases(core: str, kind: str) -> tuple[list[Case], Counter[str]]:
    """Random models of which a scalar kernel computes the operator, and how many take which."""
    rng = np.random.default_rng(zlib.crc32(f"{core} {kind}".encode()))
    cases: list[Case] = []
    used: Counter[str] = Counter()
    for _ in range(20 * CASES):
        model = ops.definitions()[kind].draw(rng).model
        case = make_case(model, rng, 3, Goal(core, "latency"))
        kernels = scalar_kernels(case)
        used.update(kernels)
        cases += [case] if kernels else []
        if len(cases) >= CASES and set(used) >= KERNELS[core, kind]:
            break
    return cases[-CASES:], used


@pytest.mark.parametrize(("core", "kind"), KERNELS)
def test_scalar_kernels_are_bit_identical_to_tflm(core: str, kind: str, tmp_path: Path) -> None:
    cases, used = scalar_cases(core, kind)
    assert set(used) >= KERNELS[core, kind]
    require_tflms_bytes(cases, tmp_path)


@pytest.mark.parametrize("core", ["rv32imc", "xtensa-de212"])
def test_depthwise_of_networks(core: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(len(core))
    cases = []
    for seed in range(40):
        height, width, depth = (int(size) for size in rng.integers(3, 14, 3))
        net = Network((1, height, width, depth), seed)
        padding: PaddingKind = "SAME" if rng.integers(2) else "VALID"
        model = net.build(net.depthwise(net.input, 3, 1 + seed % 2, padding=padding))
        cases.append(make_case(model, rng, 3, Goal(core, "latency")))
    kernels = {kernel for case in cases for kernel in scalar_kernels(case)}
    family = "scalar" if core == "rv32imc" else "mac16"
    assert {kernel.removesuffix("_relu").removesuffix("_3parts") for kernel in kernels} == {
        f"{family}_depthwise_3x3_s8_stride_{stride}" for stride in (1, 2)
    }
    require_tflms_bytes(cases, tmp_path)


@pytest.mark.parametrize(
    ("core", "inputs", "parts"), [("xtensa-de212", 800, "4parts"), ("xtensa-de212", 2600, "5parts")]
)
def test_long_sums_take_more_parts(core: str, inputs: int, parts: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(inputs)
    net = Network((1, inputs), inputs)
    case = make_case(net.build(net.dense(net.input, 9)), rng, 4, Goal(core, "latency"))
    assert scalar_kernels(case) == [f"mac16_conv_s8_{parts}"]
    require_tflms_bytes([case], tmp_path)


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
