"""Kernels for cores without SIMD: cheaper calls with the meaning of portable ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pipeline.aot.cost import Candidate
from pipeline.aot.program import KernelCall
from pipeline.aot.scalar import depthwise, matrix
from pipeline.aot.scalar.core import Core

# Registers decide the tiles. Costs are fitted to `python -m benchmarks.layers`; those of the LX6,
# which is not emulated, are the lx106's with a high multiplication.
RV32IMC = Core(
    pixels=3,
    channels=4,
    flips=False,
    multiplies_high=True,
    together=1,
    product=2.67,
    output=13.0,
    tap=2.4,
    packed_pixels=2,
    packed_product={2: 2.32, 4: 1.95},
)
XTENSA_LX106 = Core(
    pixels=4,
    channels=2,
    flips=True,
    multiplies_high=False,
    together=4,
    product=2.97,
    output=21.0,
    tap=3.3,
    packed_pixels=0,
    packed_product={},
)
XTENSA_LX6 = replace(XTENSA_LX106, multiplies_high=True, output=16.0)

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
    return [candidate for family in _FAMILIES for candidate in family(core, call)]


rv32imc_candidates = partial(candidates, RV32IMC)
xtensa_lx106_candidates = partial(candidates, XTENSA_LX106)
xtensa_lx6_candidates = partial(candidates, XTENSA_LX6)
