"""Armv7E-M kernels against their portable twins: the same bytes, nothing else written.

MCU_PIPELINE_CASES multiplies the number of random cases.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import armv7em_cases as draw
from canary_image import KernelCase, run_cases
from pipeline.aot.armv7em import candidates, winograd
from pipeline.aot.cost import Candidate
from pipeline.aot.program import ConstArray, KernelCall

CASES = 520 * int(os.environ.get("MCU_PIPELINE_CASES", "1"))
CASES_PER_IMAGE = 260

pytestmark = pytest.mark.emulator


def random_matrix(rng: np.random.Generator) -> KernelCall:
    return draw.matrix_call(
        rng,
        rows=int(rng.choice([1, 1, 2, 3, 4, 5, 6, 7])),
        inputs=int(rng.choice([1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 20, 27, 33, 64, 100])),
        outputs=int(rng.choice([2, 2, 3, 4, 5, 7, 8, 10, 17])),
        zero_point=draw.zero_point(rng),
    )


def random_window(rng: np.random.Generator) -> draw.Window:
    kernel = int(rng.choice([1, 2, 3, 3, 3, 5]))
    return draw.Window(
        input=kernel + int(rng.integers(0, 8)),
        kernel=kernel,
        stride=int(rng.choice([1, 1, 2, 2, 3])),
        same=bool(rng.integers(2)),
    )


def random_conv(rng: np.random.Generator) -> KernelCall:
    return draw.conv_call(
        rng,
        random_window(rng),
        random_window(rng),
        channels=(int(rng.choice([1, 1, 2, 3, 3, 4, 5, 8, 12, 16])), int(rng.integers(2, 12))),
        zero_points=(int(rng.choice([-128, 127, 0, 5, -3])), draw.zero_point(rng)),
        batches=int(rng.choice([1, 1, 1, 2])),
    )


def random_dilated(rng: np.random.Generator) -> KernelCall:
    def window() -> draw.Window:
        drawn = random_window(rng)  # three times as wide an image holds the longest window
        return replace(
            drawn, input=2 * drawn.kernel + drawn.input, dilation=int(rng.integers(1, 4))
        )

    return draw.conv_call(
        rng,
        window(),
        window(),
        channels=(int(rng.choice([4, 8, 12, 16])), int(rng.integers(2, 12))),
        zero_points=(int(rng.choice([-128, 127, 0, 5, -3])), draw.zero_point(rng)),
        batches=int(rng.choice([1, 1, 1, 2])),
    )


def random_winograd(rng: np.random.Generator) -> KernelCall:
    rows, columns = (
        draw.Window(int(size), kernel=3, stride=1, same=bool(rng.integers(2)))
        for size in rng.integers(3, 12, 2)
    )
    call = draw.conv_call(
        rng,
        rows,
        columns,
        channels=(int(rng.choice([4, 8, 12, 16])), int(rng.choice([2, 4, 6]))),
        zero_points=(int(rng.choice([-128, 127, 0, 5, -3])), draw.zero_point(rng)),
        batches=int(rng.choice([1, 1, 1, 2])),
    )
    return with_smallest_weights(rng, call)


def with_smallest_weights(rng: np.random.Generator, call: KernelCall) -> KernelCall:
    """No, some or all weights -128."""
    weights = call.params["weights"]
    assert isinstance(weights, ConstArray)
    weights.data[rng.random(weights.data.shape) < rng.choice([0, 0.1, 1], p=(0.8, 0.1, 0.1))] = -128
    return call


def random_depthwise(rng: np.random.Generator) -> KernelCall:
    kernel = int(rng.choice([3, 3, 5]))
    sizes = rng.integers(1, 12, 2)
    strides = rng.choice([1, 1, 2], 2)
    valid = bool(min(sizes) >= kernel and rng.integers(2))
    rows, columns = (
        draw.Window(int(size), kernel, int(stride), same=not valid)
        for size, stride in zip(sizes, strides, strict=True)
    )
    call = draw.depthwise_call(
        rng,
        rows,
        columns,
        channels=(int(rng.choice([1, 2, 3, 4, 5, 8])), int(rng.choice([1, 1, 1, 2, 3]))),
        zero_points=(int(rng.choice([-128, 127, 0, 5, -3])), draw.zero_point(rng)),
        batches=int(rng.choice([1, 1, 1, 2])),
    )
    return with_smallest_weights(rng, call)


def random_max_pool(rng: np.random.Generator) -> KernelCall:
    return draw.max_pool_call(
        random_window(rng),
        random_window(rng),
        channels=int(rng.choice([4, 5, 6, 7, 8, 12, 13, 16])),
        low=int(rng.choice([-128, -128, -5, 20])),
        batches=int(rng.choice([1, 1, 1, 2])),
    )


def random_zero_points(rng: np.random.Generator) -> tuple[int, int, int]:
    first, second = rng.choice([-128, 127, 0, 5, -3], 2)
    return int(first), int(second), draw.zero_point(rng)


def random_add(rng: np.random.Generator) -> KernelCall:
    return draw.add_call(rng, int(rng.integers(1, 300)), random_zero_points(rng))


def random_mul(rng: np.random.Generator) -> KernelCall:
    outer, inner = rng.integers(1, 20, 2)
    return draw.mul_call(rng, int(outer), int(inner), random_zero_points(rng))


def random_average_pool(rng: np.random.Generator) -> KernelCall:
    return draw.average_pool_call(
        random_window(rng),
        random_window(rng),
        channels=int(rng.choice([4, 8, 12])),
        low=int(rng.choice([-128, -5])),
        batches=int(rng.choice([1, 2])),
    )


def random_softmax(rng: np.random.Generator) -> KernelCall:
    return draw.softmax_call(rng, int(rng.integers(1, 4)), int(rng.choice([1, 2, 3, 10, 100])))


def random_mean(rng: np.random.Generator) -> KernelCall:
    count = int(rng.choice([1, 2, 9, 64, 255]))
    shape = (int(rng.choice([1, 2])), count, int(rng.choice([4, 8, 20])))
    return draw.mean_call(rng, shape, draw.zero_point(rng))


DRAWS: dict[str, Callable[[np.random.Generator], KernelCall]] = {
    "matrix": random_matrix,
    "conv": random_conv,
    "dilated conv": random_dilated,
    "winograd": random_winograd,
    "depthwise": random_depthwise,
    "max pool": random_max_pool,
    "add": random_add,
    "mul": random_mul,
    "average pool": random_average_pool,
    "mean": random_mean,
    "softmax": random_softmax,
}


def ways_of(name: str, call: KernelCall) -> list[Candidate]:
    """Candidates, and what the operator itself offers beside its call."""
    if name == "softmax":
        return [Candidate((other,), 0, 0, 0, 0, "") for other in call.alternatives]
    ways = candidates(call)
    if name == "winograd":
        return [way for way in ways if way.calls[0].interface == winograd.FAMILY]
    return ways


@pytest.mark.parametrize("name", DRAWS)
def test_same_bytes_as_the_portable_kernel(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    drawn = 0
    for image in range(CASES // CASES_PER_IMAGE):
        cases: list[KernelCase] = []
        while len(cases) < CASES_PER_IMAGE:
            call = DRAWS[name](rng)
            drawn += 1
            ways = ways_of(name, call)
            if ways:
                way = ways[int(rng.integers(len(ways)))]
                offsets = rng.integers(0, 4, 2)
                cases.append(KernelCase(call, way, int(offsets[0]), int(offsets[1])))
            assert drawn < 4 * CASES, "most calls have no candidate"
        folder = tmp_path / str(image)
        folder.mkdir()
        for number, result in enumerate(run_cases(cases, folder, seed=image)):
            call = cases[number].call
            shown = {k: v for k, v in call.params.items() if isinstance(v, int)}
            assert not result.faults, f"case {number} {call.kernel} {shown}: {result.faults}"


def test_there_are_5000_cases() -> None:
    assert len(DRAWS) * CASES >= 5000
