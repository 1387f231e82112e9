"""Static memory planning: every activation and scratch buffer gets a fixed place in one arena."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.aot.program import MemoryPlan, Program, Step
from pipeline.graph import Graph, Tensor

ALIGNMENT_BYTES = 4  # of every buffer; kernels may load words


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
    writers = {tensor: op for op in graph.operators for tensor in op.outputs}
    buffers = []
    for tensor, life in _tensor_lifetimes(graph, steps, _storage(steps)).items():
        if tensor in writers:
            name = f"{writers[tensor].kind} {writers[tensor].index}"
        else:
            name = f"input {graph.inputs.index(tensor)}"
        place = memory.offsets[tensor]
        buffers.append(Buffer(name, tensor.shape, place, life.size_bytes, life.first, life.last))
    for index, step in enumerate(steps):
        for call in step.calls:
            if call.scratch_bytes:
                name = f"scratch of {step.operators[0].kind} {step.operators[0].index}"
                size = _aligned(call.scratch_bytes)
                place = memory.scratch_offsets[call]
                buffers.append(Buffer(name, None, place, size, index, index))
    return tuple(sorted(buffers, key=lambda buffer: (buffer.first, buffer.offset)))


def plan_memory(graph: Graph, steps: Sequence[Step]) -> MemoryPlan:
    """Places all activations (inputs, outputs, intermediates) and scratch buffers of a program."""
    storage = _storage(steps)
    lifetimes = _tensor_lifetimes(graph, steps, storage)
    scratch = {
        call: Lifetime(_aligned(call.scratch_bytes), index, index)
        for index, step in enumerate(steps)
        for call in step.calls
        if call.scratch_bytes
    }
    roots, calls = list(lifetimes), list(scratch)
    offsets = place([lifetimes[t] for t in roots] + [scratch[c] for c in calls])
    root_offsets = dict(zip(roots, offsets, strict=False))
    buffers = zip([*lifetimes.values(), *scratch.values()], offsets, strict=True)
    return MemoryPlan(
        offsets={
            tensor: root_offsets[root_of(tensor, storage)] for tensor in _activations(graph, steps)
        },
        scratch_offsets=dict(zip(calls, offsets[len(roots) :], strict=True)),
        arena_bytes=max((offset + life.size_bytes for life, offset in buffers), default=0),
    )


def place(lifetimes: Sequence[Lifetime]) -> list[int]:
    """Offsets such that buffers alive at the same time do not overlap; as in `lifetimes`' order.

    Some order of first-fit placement gives the smallest arena, so orders are what is searched: a
    few greedy ones, then those with the topmost buffer of the best plan moved to the front, then,
    depth first, all of them. Ends at the lower bound, with the last order, or after a fixed number
    of placements; the plan depends on nothing but its input.
    """
    search = _OrderSearch(lifetimes)
    indices = range(len(lifetimes))
    greedy: tuple[Callable[[Lifetime], tuple[int, ...]], ...] = (
        lambda b: (-b.size_bytes, b.first),
        lambda b: (b.first, -b.size_bytes),
        lambda b: (b.first - b.last, -b.size_bytes),
        lambda b: (-b.size_bytes * (b.last - b.first + 1), b.first),
    )
    for rank in greedy:
        ranks = [rank(lifetime) for lifetime in lifetimes]
        search.promote_topmost(sorted(indices, key=ranks.__getitem__))
    search.all_orders(sorted(indices, key=lambda i: -lifetimes[i].size_bytes))
    return search.best


class _OrderSearch:
    """The smallest plan seen so far, and ways to look for a smaller one."""

    _PROMOTIONS = 50
    _PLACEMENTS = 20_000

    def __init__(self, lifetimes: Sequence[Lifetime]) -> None:
        self._lifetimes = lifetimes
        self._bound = live_bytes_bound(lifetimes)
        self._extent = sum(b.size_bytes for b in lifetimes)
        self._budget = self._PLACEMENTS
        self._neighbours = [
            [j for j, other in enumerate(lifetimes) if j != i and b.overlaps(other)]
            for i, b in enumerate(lifetimes)
        ]
        # All buffers side by side: the plan that always works.
        self.best = [sum(b.size_bytes for b in lifetimes[:i]) for i in range(len(lifetimes))]

    def promote_topmost(self, order: Sequence[int]) -> None:
        """First fit in `order`, then again and again with the topmost buffer placed first."""
        order = list(order)
        for _ in range(self._PROMOTIONS):
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

    def all_orders(self, order: Sequence[int]) -> None:
        """Every order of first fit, abandoned where it cannot beat the best plan."""
        self._extend([-1] * len(order), list(order))

    def _extend(self, offsets: list[int], rest: list[int]) -> None:
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
        size = self._lifetimes[index].size_bytes
        offset = 0
        for start, other in sorted(
            (offsets[j], self._lifetimes[j].size_bytes)
            for j in self._neighbours[index]
            if offsets[j] >= 0
        ):
            if offset + size <= start:
                break
            offset = max(offset, start + other)
        return offset

    def _keep(self, offsets: Sequence[int]) -> None:
        extent = max(
            (o + b.size_bytes for o, b in zip(offsets, self._lifetimes, strict=True)), default=0
        )
        if extent < self._extent:
            self._extent = extent
            self.best = list(offsets)


def live_bytes_bound(lifetimes: Iterable[Lifetime]) -> int:
    """Bytes alive at the fullest step: no placement can be smaller."""
    buffers = list(lifetimes)
    steps = {step for b in buffers for step in (b.first, b.last)}
    return max(
        (sum(b.size_bytes for b in buffers if b.first <= s <= b.last) for s in steps), default=0
    )


def root_of(tensor: Tensor, storage: Mapping[Tensor, Tensor]) -> Tensor:
    """The tensor whose storage `tensor` shares, through any chain of aliases."""
    while tensor in storage:
        tensor = storage[tensor]
    return tensor


def _storage(steps: Sequence[Step]) -> dict[Tensor, Tensor]:
    return {alias: source for step in steps for alias, source in step.aliases.items()}


def _activations(graph: Graph, steps: Sequence[Step]) -> list[Tensor]:
    written = [tensor for step in steps for tensor in _written(step)]
    return list(dict.fromkeys([*graph.inputs, *written]))


def _written(step: Step) -> list[Tensor]:
    """Tensors that exist after the step: those its calls write, and its aliases."""
    outputs = [tensor for call in step.calls for tensor in call.outputs]
    return list(dict.fromkeys([*outputs, *step.aliases]))


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
        for call in step.calls:
            for operand in (*call.inputs, *call.outputs):
                if isinstance(operand, Tensor):
                    touch(operand, index)
        for alias in step.aliases:
            touch(alias, index)
    for tensor in graph.outputs:
        touch(tensor, len(steps))
    return {t: Lifetime(_aligned(t.size_bytes), first[t], last[t]) for t in first}


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
