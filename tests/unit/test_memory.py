"""The memory planner: no overlap but where it is allowed, and as compact as exhaustive search."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.aot.memory import ALIGNMENT_BYTES, Lifetime, live_bytes_bound, place
from pipeline.aot.program import SAME_PLACE

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


@st.composite
def sharing(
    draw: st.DrawFn, most: int, same_places: bool = False
) -> tuple[list[Lifetime], dict[tuple[int, int], int]]:
    """Buffers of which some outputs may follow inputs that end where they begin."""
    buffers = draw(st.lists(small_lifetimes, min_size=1, max_size=most))
    pairs = [
        (i, j)
        for i, j in itertools.permutations(range(len(buffers)), 2)
        if buffers[i].first == buffers[j].last and buffers[i].last > buffers[j].last
    ]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    return buffers, {
        pair: SAME_PLACE if same_places and draw(st.booleans()) else draw(distances)
        for pair in chosen
    }


distances = st.integers(0, 4).map(lambda words: words * ALIGNMENT_BYTES)


small_lifetimes = st.builds(
    lambda words, first, length: Lifetime(words * ALIGNMENT_BYTES, first, first + length),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(0, 2),
)


def apart(
    buffers: list[Lifetime], leads: dict[tuple[int, int], int], i: int, j: int, at: int, other: int
) -> bool:
    """Whether buffers i and j at these offsets keep each other's bytes."""
    if not buffers[i].overlaps(buffers[j]):
        return True
    if at + buffers[i].size_bytes <= other or other + buffers[j].size_bytes <= at:
        return True
    lead, lag = leads.get((i, j)), leads.get((j, i))
    if SAME_PLACE in (lead, lag):
        return at == other
    return (lead is not None and other - at >= lead) or (lag is not None and at - other >= lag)


def smallest_arena(buffers: list[Lifetime], leads: dict[tuple[int, int], int]) -> int:
    """By trying all offsets."""

    def fits(placed: list[int], size: int) -> bool:
        index = len(placed)
        if index == len(buffers):
            return True
        return any(
            all(apart(buffers, leads, index, j, at, placed[j]) for j in range(index))
            and fits([*placed, at], size)
            for at in range(0, size - buffers[index].size_bytes + 1, ALIGNMENT_BYTES)
        )

    size = max(b.size_bytes for b in buffers)
    while not fits([], size):
        size += ALIGNMENT_BYTES
    return size


@settings(max_examples=150)
@given(sharing(4))
def test_equals_exhaustive_search(
    drawn: tuple[list[Lifetime], dict[tuple[int, int], int]],
) -> None:
    buffers, leads = drawn
    offsets = place(buffers, leads)
    assert extent(buffers, offsets) == smallest_arena(buffers, leads)
    assert live_bytes_bound(buffers, leads) <= extent(buffers, offsets)


@given(sharing(12, same_places=True))
def test_only_allowed_pairs_share_memory(
    drawn: tuple[list[Lifetime], dict[tuple[int, int], int]],
) -> None:
    buffers, leads = drawn
    offsets = place(buffers, leads, search=200)
    for i, j in itertools.combinations(range(len(buffers)), 2):
        assert apart(buffers, leads, i, j, offsets[i], offsets[j])
