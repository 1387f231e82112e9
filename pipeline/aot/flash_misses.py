"""Lines that a cache before flash misses while a program reads its constants: an estimate by which
ways to compute the same are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.boards import FlashCache

_OTHER_BYTES = 2048  # of the calling code and its parameters, which stay in the cache, too


@dataclass(frozen=True)
class ConstantReads:
    """Constants that are read from the first to the last byte, several times.

    Attributes:
        size_bytes: of all of them.
        times: of one inference.
    """

    size_bytes: int
    times: int


def missed_lines(cache: FlashCache, reads: Sequence[ConstantReads], code_bytes: int) -> float:
    """Lines missed where all of `reads` are read by turns, the first time from flash.

    The cache replaces the line that was used least recently. A set for which one line more is read
    than it holds then keeps none of them until they are read again; a set with no more than it
    holds keeps all.

    Args:
        code_bytes: of the kernels, which stay in the cache beside what they read.
    """
    room = max(cache.line_bytes, cache.size_bytes - _OTHER_BYTES - code_bytes)
    lines_of_a_set = sum(read.size_bytes for read in reads) / room * cache.ways
    lost = min(1.0, max(0.0, lines_of_a_set - cache.ways))
    return sum(read.size_bytes / cache.line_bytes * (1 + (read.times - 1) * lost) for read in reads)
