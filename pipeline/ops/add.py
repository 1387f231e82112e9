"""ADD: elementwise sum of two int8 tensors that broadcast, with a fused activation.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/integer_ops/add.h`, and the
factors as TensorFlow Lite Micro prepares them.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.program import KernelCall, Step
from pipeline.fixed_point import quantize_multiplier
from pipeline.graph import Operator, Quantization
from pipeline.ops.shared.broadcast import (
    BROADCAST_OPTIONS,
    broadcast_loops,
    broadcast_shapes,
    draw_binary_inputs,
    draw_binary_output,
    likely_range,
    parse_binary,
    require_binary,
)
from pipeline.ops.shared.cases import (
    chance,
    draw_quantization,
    draw_zero_point,
    int8_operand,
    single_op_model,
    zero_point_labels,
    zero_point_options,
)
from pipeline.ops.shared.rules import activation_range, kernel_input, no_macs

_LEFT_SHIFT = 20  # of both inputs before they are scaled; ADD_S8_LEFT_SHIFT of the kernel


def _factors(op: Operator) -> tuple[tuple[int, int], ...]:
    """(multiplier, shift) of input 0, input 1 and the output."""
    scales = (op.input(0).scale, op.input(1).scale)
    twice_larger = 2 * max(scales)
    output = twice_larger / ((1 << _LEFT_SHIFT) * op.output.scale)
    return tuple(quantize_multiplier(f) for f in (*(s / twice_larger for s in scales), output))


def _check(op: Operator) -> None:
    require_binary(op)
    ops.require(
        op,
        _factors(op)[2][1] <= 0,
        "2 x the larger input scale / output scale must be below 2^20",
    )


def _lower(op: Operator) -> Step:
    first, second, activation = require_binary(op)
    output = op.output
    low, high = activation_range(activation, output.scale, output.zero_point)
    factors = zip(
        ("input1", "input2", "output"), (first, second, output), _factors(op), strict=True
    )
    params = broadcast_loops(first.shape, second.shape).fields()
    for role, tensor, (multiplier, shift) in factors:
        params[f"{role}_zero_point"] = tensor.zero_point
        params[f"{role}_multiplier"] = multiplier
        params[f"{role}_shift"] = shift
    params |= {"activation_min": low, "activation_max": high}
    call = KernelCall(
        kernel="add_s8",
        params=params,
        inputs=(kernel_input(first, "input1"), kernel_input(second, "input2")),
        outputs=(output,),
    )
    return Step((op,), (call,))


def _draw(rng: np.random.Generator) -> ops.SingleOpCase:
    first = draw_quantization(rng)
    second = Quantization(first.scales, (draw_zero_point(rng),))
    if chance(rng, 0.7):
        second = draw_quantization(rng)
    a, b, shape, labels = draw_binary_inputs(rng, (first, second))
    assert a.quantization is not None
    assert b.quantization is not None
    larger = max(a.quantization.scales + b.quantization.scales)
    # The sum spans up to twice the larger input's range; an output of a smaller scale saturates.
    ranges = likely_range(a.quantization), likely_range(b.quantization)
    output, activation = draw_binary_output(
        rng, (0.25 * larger, 3 * larger), ranges[0][0] + ranges[1][0], ranges[0][1] + ranges[1][1]
    )
    options = schema.AddOptionsT()
    options.fusedActivationFunction = activation.value
    model = single_op_model("ADD", [a, b], [int8_operand(shape, output)], options)
    labels |= {f"fused {activation.name}"}
    labels |= {"equal scales" if a.quantization.scales == b.quantization.scales else "two scales"}
    labels |= {"saturating output"} if output.scales[0] < larger else set()
    for role, quantization in (
        ("input 0", a.quantization),
        ("input 1", b.quantization),
        ("output", output),
    ):
        labels |= zero_point_labels(role, quantization.zero_points[0])
    return ops.SingleOpCase(model, labels)


ops.register(
    ops.OperatorDefinition(
        kind="ADD",
        parse=lambda raw: parse_binary(raw, "AddOptionsT"),
        output_shapes=broadcast_shapes,
        check=_check,
        macs=no_macs,
        lower=_lower,
        draw=_draw,
        options=BROADCAST_OPTIONS
        | zero_point_options("input 0", "input 1", "output")
        | {"equal scales", "two scales", "saturating output"},
    )
)
