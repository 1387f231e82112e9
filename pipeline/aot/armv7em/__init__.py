"""Kernels for Cortex-M4 and M7 (Armv7E-M): cheaper calls with the meaning of portable ones."""

from __future__ import annotations

from pipeline.aot.armv7em import conv, depthwise, matrix, max_pool
from pipeline.aot.cost import Candidate
from pipeline.aot.program import KernelCall

_FAMILIES = (matrix.candidate, conv.candidate, depthwise.candidate, max_pool.candidate)


def candidates(call: KernelCall) -> list[Candidate]:
    """Ways to compute a portable call with the DSP instructions, none where no way is proved exact.

    Every candidate has the inputs and outputs of `call`; the portable call itself is not among
    them.
    """
    found = (family(call) for family in _FAMILIES)
    return [candidate for candidate in found if candidate is not None]
