"""Dead code: steps whose output nobody reads are not executed."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.aot.program import Step
from pipeline.graph import Graph, Tensor


def without_dead_code(graph: Graph, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that the model's outputs depend on, in their order; all where there are none."""
    needed: set[Tensor] = set(graph.outputs)
    kept: list[Step] = []
    for step in reversed(steps):
        if needed.isdisjoint((*step.written, *step.aliases)):
            continue
        kept.append(step)
        needed.update(step.touched, step.aliases.values())
    return tuple(reversed(kept)) or tuple(steps)
