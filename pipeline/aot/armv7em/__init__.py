"""Kernels for Cortex-M4 and M7 (Armv7E-M): cheaper calls with the meaning of portable ones."""

from __future__ import annotations

from pipeline.aot.armv7em import (
    add,
    conv,
    depthwise,
    extremes,
    matrix,
    max_pool,
    mean,
    mul,
    winograd,
)
from pipeline.aot.cost import Candidate
from pipeline.aot.program import KernelCall

_FAMILIES = (
    matrix.candidates,
    conv.candidates,
    winograd.candidates,
    depthwise.candidates,
    max_pool.candidates,
    extremes.candidates,
    add.candidates,
    mul.candidates,
    mean.candidates,
)


def candidates(call: KernelCall) -> list[Candidate]:
    """Ways to compute a portable call with the DSP instructions, none where no way is proved exact.

    Every candidate has the inputs and outputs of `call`; the portable call itself is not among
    them. Several differ in the final shift: layers that agree on it share a kernel.
    """
    return [candidate for family in _FAMILIES for candidate in family(call)]
