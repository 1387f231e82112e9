"""Kernels for cores without SIMD: cheaper calls with the meaning of portable ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pipeline.aot.cost import Candidate
from pipeline.aot.program import KernelCall
from pipeline.aot.scalar import depthwise, matrix
from pipeline.aot.scalar.core import Core

# Registers decide the tile.
RV32IMC = Core(pixels=3, channels=4, wide_weights=False, product=2.65, output=17.0, tap=2.5)
XTENSA = Core(pixels=3, channels=2, wide_weights=True, product=3.1, output=45.0, tap=3.6)

_FAMILIES: tuple[Callable[[Core, KernelCall], Candidate | None], ...] = (
    matrix.matrix_candidate,
    matrix.conv_candidate,
    depthwise.candidate,
)


def candidates(core: Core, call: KernelCall) -> list[Candidate]:
    """Ways to compute a portable call with blocks of registers, none where no way is proved exact.

    Every candidate has the inputs and outputs of `call`; the portable call itself is not among
    them.
    """
    found = (family(core, call) for family in _FAMILIES)
    return [candidate for candidate in found if candidate is not None]


rv32imc_candidates = partial(candidates, RV32IMC)
xtensa_candidates = partial(candidates, XTENSA)
