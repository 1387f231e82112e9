"""Kernels for cores without SIMD: cheaper calls with the meaning of portable ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pipeline.aot.cost import Candidate
from pipeline.aot.program import KernelCall
from pipeline.aot.scalar import add, depthwise, matrix
from pipeline.aot.scalar.core import Core

# Registers decide the tiles. Costs are fitted to `python -m benchmarks.layers`.
RV32IMC = Core(
    pixels=3,
    channels=4,
    product=2.67,
    output=13.0,
    tap=2.4,
    packed_pixels=2,
    packed_product={2: 2.32, 4: 1.95},
)

_ADDITION = 13.0  # instructions for an element, emulated
_FAMILIES: tuple[Callable[[Core, KernelCall], list[Candidate]], ...] = (
    matrix.matrix_candidates,
    matrix.conv_candidates,
    depthwise.candidates,
)


def candidates(core: Core, call: KernelCall) -> list[Candidate]:
    """Ways to compute a portable call with blocks of registers, none where no way is proved exact.

    Every candidate has the inputs and outputs of `call`; the portable call itself is not among
    them.
    """
    found = [candidate for family in _FAMILIES for candidate in family(core, call)]
    return [*found, *add.candidates(call, _ADDITION)]


rv32imc_candidates = partial(candidates, RV32IMC)
