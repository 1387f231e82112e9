"""How much scratch kernels take that run faster with more: what the arena has room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.aot.memory import plan_memory
from pipeline.aot.program import KernelCall, Step
from pipeline.aot.selection import Selection
from pipeline.graph import Graph

_LIMITS = 16  # tried for all steps at once


def fit_scratch(graph: Graph, steps: Sequence[Step], selection: Selection) -> tuple[Step, ...]:
    """The steps, their kernels' scratch such that time and arena together cost least.

    First one limit for all steps, then each step for itself.
    """

    def cost(tried: Sequence[Step]) -> float:
        weights = selection.weights
        arena = plan_memory(graph, tried, search=0).arena_bytes
        effort = sum(map(selection.effort, tried))
        return weights.arena_byte * arena + weights.instruction * effort

    best = list(steps)
    sizes = _sizes(steps, selection)
    least = cost(best) if sizes else 0.0
    for limit in sizes[:: -(-len(sizes) // _LIMITS) or 1]:
        tried = [_within(step, limit, selection) for step in steps]
        if (total := cost(tried)) < least:
            best, least = tried, total
    for index, step in enumerate(best):
        for limit in _sizes([step], selection):
            changed = _within(step, limit, selection)
            tried = [*best[:index], changed, *best[index + 1 :]]
            if changed is not step and (total := cost(tried)) < least:
                best, least = tried, total
    return tuple(best)


def _sizes(steps: Sequence[Step], selection: Selection) -> list[int]:
    """Bytes of scratch that calls of the steps may take instead of what they do."""
    calls = [call for step in steps for call in step.calls]
    return sorted({new.scratch_bytes for call in calls for new in selection.variants(call)})


def _within(step: Step, limit: int, selection: Selection) -> Step:
    """The step with the fastest calls that take no more scratch, or the least there is."""
    new: dict[KernelCall, KernelCall] = {}
    for call in step.calls:
        variants = selection.variants(call)
        fitting = [v for v in variants if v.scratch_bytes <= limit]
        least = min(variants, key=lambda v: v.scratch_bytes, default=call)
        new[call] = min(fitting, key=selection.call_effort, default=least)
    return step if all(old is call for old, call in new.items()) else _with_calls(step, new)


def _with_calls(step: Step, new: Mapping[KernelCall, KernelCall]) -> Step:
    loops = tuple(
        replace(
            loop,
            calls=tuple(replace(made, call=new.get(made.call, made.call)) for made in loop.calls),
        )
        for loop in step.loops
    )
    return replace(step, calls=tuple(new[call] for call in step.calls), loops=loops)
