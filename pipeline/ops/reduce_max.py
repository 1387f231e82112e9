"""REDUCE_MAX: the largest value over some dimensions."""

from __future__ import annotations

import numpy as np

from pipeline.aot.program import KernelCall, Step
from pipeline.graph import Operator
from pipeline.ops import OperatorDefinition, SingleOpCase, register
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.reduction import (
    REDUCTION_OPTIONS,
    draw_reduction,
    parse_reduction,
    reduced_shapes,
    reduction_loops,
    require_axes,
    require_reduction,
)


def _check(op: Operator) -> None:
    require_reduction(op)
    rules.require_quantized_alike(op, op.input(0))


def _lower(op: Operator) -> Step:
    source = op.input(0)
    call = KernelCall(
        kernel="reduce_max_s8",
        params=reduction_loops(source.shape, require_axes(op)),
        inputs=(rules.kernel_input(source, "input"),),
        outputs=(op.output,),
    )
    return Step((op,), (call,))


def _draw(rng: np.random.Generator) -> SingleOpCase:
    drawn = draw_reduction(rng)
    quantization = cases.draw_quantization(rng)
    model = cases.single_op_model(
        "REDUCE_MAX",
        (cases.int8_operand(drawn.shape, quantization), drawn.axes),
        (cases.int8_operand(drawn.output, quantization),),
        drawn.options,
    )
    return SingleOpCase(model, drawn.labels)


register(
    OperatorDefinition(
        kind="REDUCE_MAX",
        output_shapes=reduced_shapes,
        check=_check,
        macs=rules.no_macs,
        lower=_lower,
        draw=_draw,
        options=REDUCTION_OPTIONS,
        parse=parse_reduction,
    )
)
