"""Static memory planning: every activation and scratch buffer gets a fixed place in one arena."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.aot.program import SAME_PLACE, MemoryPlan, Program, Step
from pipeline.graph import Graph, Operator, Tensor

ALIGNMENT_BYTES = 4  # of every buffer; kernels may load words
SEARCHED_PLACEMENTS = 20_000


@dataclass(frozen=True)
class Lifetime:
    """A buffer that must keep its bytes from step `first` to step `last`, both included."""

    size_bytes: int
    first: int
    last: int

    def overlaps(self, other: Lifetime) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Buffer:
    """One place in the arena, and when its bytes matter.

    Attributes:
        name: "CONV_2D 3" for what operator 3 of the file writes (tensors that share the place
            with it are not named), "input 0", or "scratch of CONV_2D 3".
        shape: of the tensor; None for scratch.
        offset: bytes from the arena's begin.
        first, last: steps, both included; an output of the model lives until the number of steps.
    """

    name: str
    shape: tuple[int, ...] | None
    offset: int
    size_bytes: int
    first: int
    last: int


def arena_buffers(program: Program) -> tuple[Buffer, ...]:
    """Everything that has a place of its own in the arena, in order of the first step."""
    graph, steps, memory = program.graph, program.steps, program.memory
    names = {tensor: f"input {index}" for index, tensor in enumerate(graph.inputs)}
    writers = {tensor.index: _title(op) for op in graph.operators for tensor in op.outputs}
    for step in steps:
        names |= {tensor: f"rows of {writers[tensor.index]}" for tensor in step.written}
    for op in graph.operators:
        names |= {tensor: _title(op) for tensor in op.outputs}
    buffers = []
    for tensor, life in _tensor_lifetimes(graph, steps, _storage(steps)).items():
        place = memory.offsets[tensor]
        buffers.append(
            Buffer(names[tensor], tensor.shape, place, life.size_bytes, life.first, life.last)
        )
    for index, step in enumerate(steps):
        if size := _scratch_bytes(step):
            place = next(memory.scratch_offsets[c] for c in step.calls if c.scratch_bytes)
            name = f"scratch of {_title(step.operators[0])}"
            buffers.append(Buffer(name, None, place, size, index, index))
    return tuple(sorted(buffers, key=lambda buffer: (buffer.first, buffer.offset)))


def _title(op: Operator) -> str:
    return f"{op.kind} {op.index}"


def plan_memory(
    graph: Graph, steps: Sequence[Step], search: int = SEARCHED_PLACEMENTS
) -> MemoryPlan:
    """Places all activations (inputs, outputs, intermediates) and scratch buffers of a program.

    The scratch buffers of a step's calls are one: no two calls run at the same time.

    Args:
        search: as `place`.
    """
    storage = _storage(steps)
    tensors = _tensor_lifetimes(graph, steps, storage)
    scratch = {
        index: Lifetime(size, index, index)
        for index, step in enumerate(steps)
        if (size := _scratch_bytes(step))
    }
    lifetimes = [*tensors.values(), *scratch.values()]
    offsets = place(lifetimes, _leads(steps, tensors, storage), search)
    root_offsets = dict(zip(tensors, offsets, strict=False))
    scratch_offsets = dict(zip(scratch, offsets[len(tensors) :], strict=True))
    return MemoryPlan(
        offsets={
            tensor: root_offsets[root_of(tensor, storage)] for tensor in _activations(graph, steps)
        },
        scratch_offsets={
            call: scratch_offsets[index]
            for index in scratch
            for call in steps[index].calls
            if call.scratch_bytes
        },
        arena_bytes=max(
            (o + life.size_bytes for o, life in zip(offsets, lifetimes, strict=True)), default=0
        ),
    )


def bytes_alive(graph: Graph, steps: Sequence[Step]) -> list[int]:
    """Bytes of the activations that exist during each step."""
    lifetimes = _tensor_lifetimes(graph, steps, _storage(steps)).values()
    return [
        sum(b.size_bytes for b in lifetimes if b.first <= step <= b.last)
        for step in range(len(steps))
    ]


def _scratch_bytes(step: Step) -> int:
    return _aligned(max((call.scratch_bytes for call in step.calls), default=0))


def _leads(
    steps: Sequence[Step], lifetimes: Mapping[Tensor, Lifetime], storage: Mapping[Tensor, Tensor]
) -> dict[tuple[int, int], int]:
    """Pairs (output, input) as positions in `lifetimes` that may share memory; see `place`.

    Only where the input's last step is the output's first one.
    """
    position = {tensor: index for index, tensor in enumerate(lifetimes)}
    found = {}
    for index, step in enumerate(steps):
        for (output, source), lead in step.leads.items():
            pair = root_of(output, storage), root_of(source, storage)
            if pair[0] is not pair[1] and (
                lifetimes[pair[0]].first == lifetimes[pair[1]].last == index
            ):
                found[position[pair[0]], position[pair[1]]] = (
                    lead if lead == SAME_PLACE else _aligned(lead)
                )
    return found


def place(
    lifetimes: Sequence[Lifetime],
    leads: Mapping[tuple[int, int], int] | None = None,
    search: int = SEARCHED_PLACEMENTS,
) -> list[int]:
    """Offsets such that buffers alive at the same time do not overlap; as in `lifetimes`' order.

    Some order of first-fit placement gives the smallest arena (that of the offsets in a smallest
    one, an output before an input at the same place), so orders are what is searched: a few greedy
    ones, then those with the topmost buffer of the best plan moved to the front, then, depth first,
    all of them. Ends at the lower bound, with the last order, or after a fixed number of
    placements; the plan depends on nothing but its input.

    Args:
        leads: (output, input) -> bytes: these two may overlap where the output begins at least
            that many bytes before the input; multiples of ALIGNMENT_BYTES, or SAME_PLACE.
        search: how many placements the depth-first search may try; 0 for the greedy orders alone
            and little more, to compare programs.
    """
    return _OrderSearch(lifetimes, leads or {}, search).run()


class _OrderSearch:
    """The smallest plan seen so far, and ways to look for a smaller one."""

    _PROMOTIONS = 50
    _QUICK_PROMOTIONS = 3
    _GREEDY: tuple[Callable[[Lifetime], tuple[int, ...]], ...] = (
        lambda b: (-b.size_bytes, b.first),
        lambda b: (-b.last, -b.first),  # an output that shares memory begins before its input
        lambda b: (b.first, -b.size_bytes),
        lambda b: (b.first - b.last, -b.size_bytes),
        lambda b: (-b.size_bytes * (b.last - b.first + 1), b.first),
    )

    def __init__(
        self, lifetimes: Sequence[Lifetime], leads: Mapping[tuple[int, int], int], budget: int
    ) -> None:
        self._lifetimes = lifetimes
        self._bound = live_bytes_bound(lifetimes, leads)
        self._extent = sum(b.size_bytes for b in lifetimes)
        self._budget = budget
        self._neighbours = [
            [
                (j, *distances)
                for j, other in enumerate(lifetimes)
                if j != i and b.overlaps(other)
                for distances in _distances(lifetimes, leads, i, j)
            ]
            for i, b in enumerate(lifetimes)
        ]
        # All buffers side by side: the plan that always works.
        self._best = [sum(b.size_bytes for b in lifetimes[:i]) for i in range(len(lifetimes))]

    def run(self) -> list[int]:
        indices = range(len(self._lifetimes))
        for rank in self._GREEDY:
            ranks = [rank(lifetime) for lifetime in self._lifetimes]
            self._promote_topmost(sorted(indices, key=ranks.__getitem__))
        self._extend(
            [-1] * len(indices), sorted(indices, key=lambda i: -self._lifetimes[i].size_bytes)
        )
        return self._best

    def _promote_topmost(self, order: list[int]) -> None:
        """First fit in `order`, then again and again with the topmost buffer placed first."""
        for _ in range(self._PROMOTIONS if self._budget else self._QUICK_PROMOTIONS):
            if self._extent == self._bound or not order:
                return
            offsets = [-1] * len(order)
            for index in order:
                offsets[index] = self._lowest(index, offsets)
            self._keep(offsets)
            topmost = max(order, key=lambda i: offsets[i] + self._lifetimes[i].size_bytes)
            if order[0] == topmost:
                return
            order.remove(topmost)
            order.insert(0, topmost)

    def _extend(self, offsets: list[int], rest: list[int]) -> None:
        """Every order of first fit, abandoned where it cannot beat the best plan."""
        if not rest:
            self._keep(offsets)
            return
        for index in rest:
            if self._budget == 0 or self._extent == self._bound:
                return
            self._budget -= 1
            offset = self._lowest(index, offsets)
            if offset + self._lifetimes[index].size_bytes < self._extent:
                offsets[index] = offset
                self._extend(offsets, [other for other in rest if other != index])
                offsets[index] = -1

    def _lowest(self, index: int, offsets: Sequence[int]) -> int:
        """The lowest offset that is free of placed buffers alive at the same time."""
        offset = 0
        for start, end in sorted(
            (offsets[j] - before, offsets[j] + behind)
            for j, before, behind in self._neighbours[index]
            if offsets[j] >= 0
        ):
            if offset > start:
                offset = max(offset, end)
        return offset

    def _keep(self, offsets: Sequence[int]) -> None:
        extent = max(
            (o + b.size_bytes for o, b in zip(offsets, self._lifetimes, strict=True)), default=0
        )
        if extent < self._extent:
            self._extent = extent
            self._best = list(offsets)


def _distances(
    lifetimes: Sequence[Lifetime], leads: Mapping[tuple[int, int], int], index: int, other: int
) -> list[tuple[int, int]]:
    """Ranges (before, behind): `index` must not begin less than `before` bytes before the begin of
    `other` and less than `behind` bytes behind it, both at once."""
    before, behind = lifetimes[index].size_bytes, lifetimes[other].size_bytes
    lead = leads.get((index, other))
    lag = leads.get((other, index))
    if SAME_PLACE in (lead, lag):
        return [(before, 0), (0, behind)]
    return [
        (
            before if lead is None else min(before, lead),
            behind if lag is None else min(behind, lag),
        )
    ]


def live_bytes_bound(
    lifetimes: Sequence[Lifetime], leads: Mapping[tuple[int, int], int] | None = None
) -> int:
    """Bytes alive at the fullest step, less all that sharing could save there.

    No placement can be smaller.
    """
    saved = {
        (i, j): lifetimes[i].size_bytes
        + lifetimes[j].size_bytes
        - max(lifetimes[i].size_bytes, max(lead, 0) + lifetimes[j].size_bytes)
        for (i, j), lead in (leads or {}).items()
    }
    bound = 0
    for step in {step for b in lifetimes for step in (b.first, b.last)}:
        alive = [b.first <= step <= b.last for b in lifetimes]
        total = sum(b.size_bytes for b, here in zip(lifetimes, alive, strict=True) if here)
        total -= sum(max(0, s) for (i, j), s in saved.items() if alive[i] and alive[j])
        bound = max(bound, total)
    return bound


def root_of(tensor: Tensor, storage: Mapping[Tensor, Tensor]) -> Tensor:
    """The tensor whose storage `tensor` shares, through any chain of aliases."""
    while tensor in storage:
        tensor = storage[tensor]
    return tensor


def _storage(steps: Sequence[Step]) -> dict[Tensor, Tensor]:
    return {alias: source for step in steps for alias, source in step.aliases.items()}


def _activations(graph: Graph, steps: Sequence[Step]) -> list[Tensor]:
    written = [tensor for step in steps for tensor in (*step.written, *step.aliases)]
    return list(dict.fromkeys([*graph.inputs, *written]))


def _tensor_lifetimes(
    graph: Graph, steps: Sequence[Step], storage: Mapping[Tensor, Tensor]
) -> dict[Tensor, Lifetime]:
    first: dict[Tensor, int] = {}
    last: dict[Tensor, int] = {}

    def touch(tensor: Tensor, step: int) -> None:
        root = root_of(tensor, storage)
        first.setdefault(root, step)
        last[root] = max(step, last.get(root, step))

    for tensor in graph.inputs:
        touch(tensor, 0)
    for index, step in enumerate(steps):
        for tensor in (*step.touched, *step.aliases):
            touch(tensor, index)
    for tensor in graph.outputs:
        touch(tensor, len(steps))
    return {t: Lifetime(_aligned(t.size_bytes), first[t], last[t]) for t in first}


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
