"""Lines that a cache misses, as the choice of kernels estimates them: against a simulated cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import pytest

from pipeline.aot.flash_misses import ConstantReads, missed_lines
from pipeline.boards import FlashCache

CODE_BYTES = 4096
CACHE = FlashCache(size_bytes=32768, ways=2, line_bytes=32, cycles_per_miss=965)


def simulated(reads: Sequence[ConstantReads]) -> int:
    """Misses of reading one after the other by turns, with code in between that is always there."""
    sets = CACHE.size_bytes // CACHE.ways // CACHE.line_bytes
    kept: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(sets)]
    missed = 0
    code = CODE_BYTES // CACHE.line_bytes
    for turn in range(max(read.times for read in reads)):
        line = code
        walk = [*range(code)]
        for read in reads:
            lines = read.size_bytes // CACHE.line_bytes
            walk += range(line, line + lines) if turn < read.times else ()
            line += lines
        for used in walk:
            ways = kept[used % sets]
            if used not in ways:
                missed += used >= code
                if len(ways) == CACHE.ways:
                    ways.popitem(last=False)
            ways[used] = None
            ways.move_to_end(used)
    return missed


@pytest.mark.parametrize(
    "sizes", [(8192,), (24576,), (8192, 16384), (36864,), (24576, 12288), (65536,), (98304, 4096)]
)
def test_estimate_is_near_a_simulated_cache(sizes: tuple[int, ...]) -> None:
    reads = [ConstantReads(size, 8) for size in sizes]
    assert missed_lines(CACHE, reads, CODE_BYTES - 2048) == pytest.approx(
        simulated(reads), rel=0.25
    )


def test_what_is_read_once_is_missed_once() -> None:
    reads = [ConstantReads(64_000, 1), ConstantReads(640, 1)]
    assert missed_lines(CACHE, reads, CODE_BYTES - 2048) == 2020 == simulated(reads)
