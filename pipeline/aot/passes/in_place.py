"""In place: an output takes the memory of an input that nobody needs any more."""

from __future__ import annotations

from dataclasses import replace

from pipeline.aot.program import KernelCall, Step
from pipeline.aot.rows import row_bytes, row_step
from pipeline.graph import Tensor

# Their headers say that the output may be the input.
_ELEMENTWISE = frozenset(
    {"add_s8", "lookup_s8", "maximum_minimum_s8", "mul_s8", "softmax_s8", "sub_s8"}
)
# Their headers say that they work row by row, from the top.
_ROW_BY_ROW = frozenset(
    {
        "average_pool_2d_s8",
        "conv_2d_s8",
        "depthwise_conv_2d_s8",
        "fully_connected_s8",
        "max_pool_2d_s8",
    }
)


def with_leads(step: Step) -> Step:
    """The step with KernelCall.leads where its portable kernels' contracts give them."""
    if step.loops:
        return step
    return replace(step, calls=tuple(_with_leads(step, call) for call in step.calls))


def share_in_place(step: Step) -> Step:
    """The step with Step.leads where its only call has them."""
    if step.loops or len(step.calls) != 1:
        return step
    (call,) = step.calls
    leads: dict[tuple[Tensor, Tensor], int] = {}
    for operand, lead in zip(call.inputs, call.leads, strict=False):
        if isinstance(operand, Tensor) and lead is not None:
            pair = call.outputs[0], operand
            leads[pair] = max(lead, leads.get(pair, lead))
    return replace(step, leads=leads)


def _with_leads(step: Step, call: KernelCall) -> KernelCall:
    if call.kernel in _ELEMENTWISE:
        size = call.outputs[0].size_bytes
        leads = tuple(
            0 if isinstance(operand, Tensor) and operand.size_bytes == size else None
            for operand in call.inputs
        )
        return replace(call, leads=leads)
    lead = row_by_row_lead(step) if call.kernel in _ROW_BY_ROW else None
    return call if lead is None else replace(call, leads=(lead,))


def row_by_row_lead(step: Step) -> int | None:
    """The lead of a kernel that reads whole rows from the top and writes each row behind them.

    None for a step that has no rows, or has several inputs.
    """
    rows = row_step(step)
    if rows is None or len(rows.windows) != 1:
        return None
    ((source, window),) = rows.windows.items()
    return max(
        0,
        *(
            (row + 1) * row_bytes(rows.output) - window.first(row) * row_bytes(source)
            for row in range(rows.rows)
        ),
    )
