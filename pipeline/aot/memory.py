"""Static memory planning: every activation and scratch buffer gets a fixed place in one arena."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.aot.program import KernelCall, MemoryPlan, Step
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
            tensor: root_offsets[root_of(tensor, storage)]
            for tensor in _activations(graph, steps)
        },
        scratch_offsets=dict(zip(calls, offsets[len(roots) :], strict=True)),
        arena_bytes=max((offset + life.size_bytes for life, offset in buffers), default=0),
    )


def place(lifetimes: Sequence[Lifetime]) -> list[int]:
    """Offsets such that buffers alive at the same time do not overlap; as in `lifetimes`' order.

    First fit in several orders; the smallest arena wins, the first of equals, so that the plan
    depends on nothing but its input.
    """
    orders: tuple[Callable[[Lifetime], tuple[int, ...]], ...] = (
        lambda b: (-b.size_bytes, b.first),
        lambda b: (b.first, -b.size_bytes),
        lambda b: (b.first - b.last, -b.size_bytes),
        lambda b: (-b.size_bytes * (b.last - b.first + 1), b.first),
    )
    candidates = [
        _first_fit(lifetimes, sorted(range(len(lifetimes)), key=lambda i: order(lifetimes[i])))
        for order in orders
    ]
    return min(candidates, key=lambda offsets: _extent(lifetimes, offsets))


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


def _first_fit(lifetimes: Sequence[Lifetime], order: Iterable[int]) -> list[int]:
    offsets = [-1] * len(lifetimes)
    for index in order:
        taken = sorted(
            (offsets[other], lifetimes[other].size_bytes)
            for other in range(len(lifetimes))
            if offsets[other] >= 0 and lifetimes[index].overlaps(lifetimes[other])
        )
        offset = 0
        for start, size in taken:
            if offset + lifetimes[index].size_bytes <= start:
                break
            offset = max(offset, start + size)
        offsets[index] = offset
    return offsets


def _extent(lifetimes: Sequence[Lifetime], offsets: Sequence[int]) -> int:
    return max((o + b.size_bytes for b, o in zip(lifetimes, offsets, strict=True)), default=0)


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
