"""The memory planner: no overlap ever, never below the bound, and compact where it can be."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipeline.aot.memory import ALIGNMENT_BYTES, Lifetime, live_bytes_bound, place

lifetimes = st.builds(
    lambda words, first, length: Lifetime(words * ALIGNMENT_BYTES, first, first + length),
    st.integers(1, 40),
    st.integers(0, 12),
    st.integers(0, 6),
)


def extent(buffers: list[Lifetime], offsets: list[int]) -> int:
    return max(offset + b.size_bytes for b, offset in zip(buffers, offsets, strict=True))


@given(st.lists(lifetimes, min_size=1, max_size=30))
def test_buffers_alive_together_never_overlap(buffers: list[Lifetime]) -> None:
    offsets = place(buffers)
    for (a, at), (b, bt) in itertools.combinations(zip(buffers, offsets, strict=True), 2):
        if a.overlaps(b):
            assert at + a.size_bytes <= bt or bt + b.size_bytes <= at
    assert all(offset >= 0 and offset % ALIGNMENT_BYTES == 0 for offset in offsets)
    assert extent(buffers, offsets) >= live_bytes_bound(buffers)


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=40))
def test_a_chain_needs_its_largest_neighbours_only(words: list[int]) -> None:
    sizes = [n * ALIGNMENT_BYTES for n in words]
    buffers = [Lifetime(size, step, step + 1) for step, size in enumerate(sizes)]
    largest_pair = max(a + b for a, b in itertools.pairwise(sizes))
    assert live_bytes_bound(buffers) == largest_pair
    assert extent(buffers, place(buffers)) == largest_pair
