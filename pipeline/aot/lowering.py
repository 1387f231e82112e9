"""Graph -> Program: every operator checked and lowered, then placed in memory."""

from __future__ import annotations

from pipeline import ops
from pipeline.aot.goal import PORTABLE_BALANCED, Goal
from pipeline.aot.memory import plan_memory
from pipeline.aot.passes.constant_channels import settle_constant_channels
from pipeline.aot.passes.constant_folding import fold_constants
from pipeline.aot.passes.dead_code import without_dead_code
from pipeline.aot.passes.in_place import with_leads
from pipeline.aot.passes.pad_into_convolution import pad_into_convolution
from pipeline.aot.passes.pool_first import pool_first
from pipeline.aot.passes.row_fusion import fuse
from pipeline.aot.passes.scratch import fit_scratch
from pipeline.aot.program import Program, Step
from pipeline.aot.selection import Selection, has_costs
from pipeline.errors import ModelError, UnsupportedOperatorError
from pipeline.graph import Graph, Operator


def lower(graph: Graph, goal: Goal = PORTABLE_BALANCED) -> Program:
    """Compiles a graph.

    Raises:
        UnsupportedOperatorError: an operator, or the way the model uses it, has no kernel; names
            the operator's index and what is supported.
        ModelError: shapes that contradict each other, or an input or output that is constant.
    """
    if not graph.operators:
        raise ModelError("generate: the model has no operators")
    for side, tensors in (("input", graph.inputs), ("output", graph.outputs)):
        for tensor in tensors:
            if tensor.is_constant:
                raise ModelError(
                    f"generate: {side} tensor {tensor.index} ({tensor.name}) is constant"
                )
    steps = tuple(_lower_operator(op) for op in graph.operators)
    steps = fold_constants(graph, steps)
    steps = pad_into_convolution(graph, steps)
    if goal.optimize != "flash":  # it takes a kernel more
        steps = pool_first(graph, steps)
    steps = without_dead_code(graph, steps)
    steps = tuple(with_leads(step) for step in steps)
    arena = plan_memory(graph, steps, search=0).arena_bytes
    selection = Selection(goal, steps, arena)
    fused = fit_scratch(graph, fuse(graph, steps, selection), selection)
    return Program(graph, fused, plan_memory(graph, fused))


def require_supported(op: Operator) -> None:
    """Raises UnsupportedOperatorError or ModelError where `lower` would refuse this operator."""
    known = ops.definitions()
    if op.kind not in known:
        raise UnsupportedOperatorError(
            f"generate: op {op.index} {op.kind} is not supported by the aot runtime",
            f"supported are {', '.join(known)}",
        )
    definition = known[op.kind]
    definition.check(op)
    expected = definition.output_shapes(op)
    declared = tuple(tensor.shape for tensor in op.outputs)
    if expected != declared:
        raise ModelError(
            f"generate: op {op.index} {op.kind} declares output shapes {declared}, "
            f"its inputs and attributes give {expected}"
        )


def estimated_instructions(graph: Graph, goal: Goal) -> dict[int, int] | None:
    """Index of every operator's step -> instructions of one inference, before rows are fused.

    None where the costs of the goal's core are not known.

    Raises:
        UnsupportedOperatorError, ModelError: as `lower`.
    """
    if not has_costs(goal.core):
        return None
    steps = tuple(with_leads(_lower_operator(op)) for op in graph.operators)
    selection = Selection(goal, steps, plan_memory(graph, steps, search=0).arena_bytes)
    return {step.operators[0].index: selection.instructions(selection.step(step)) for step in steps}


def _lower_operator(op: Operator) -> Step:
    require_supported(op)
    return settle_constant_channels(ops.definitions()[op.kind].lower(op))
