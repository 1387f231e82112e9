"""Kernels for Xtensa cores with the MAC16 option: the ESP32's LX6, the ESP32-S3's LX7, and the
DE212 that is emulated in their place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pipeline.aot.cost import Candidate
from pipeline.aot.mac16 import depthwise, matrix
from pipeline.aot.program import KernelCall
from pipeline.aot.scalar import add

_ADDITION = 19.0  # instructions for an element, emulated
_FAMILIES: tuple[Callable[[bool, KernelCall], list[Candidate]], ...] = (
    matrix.matrix_candidates,
    matrix.conv_candidates,
    depthwise.candidates,
)


def candidates(multiplies_high: bool, call: KernelCall) -> list[Candidate]:
    """Ways to compute a portable call with MAC16, none where no way is proved exact.

    Every candidate has the inputs and outputs of `call`; the portable call itself is not among
    them.

    Args:
        multiplies_high: whether the core gives the upper half of a product.
    """
    found = [candidate for family in _FAMILIES for candidate in family(multiplies_high, call)]
    return [*found, *add.candidates(call, _ADDITION)]


xtensa_de212_candidates = partial(candidates, False)
xtensa_lx_candidates = partial(candidates, True)
