"""MUL: elementwise product of two int8 tensors that broadcast, with a fused activation.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/integer_ops/mul.h`.
"""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.program import KernelCall, Step
from pipeline.fixed_point import quantize_multiplier
from pipeline.graph import Operator
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
    int8_operand,
    single_op_model,
    zero_point_labels,
    zero_point_options,
)
from pipeline.ops.shared.rules import activation_range, kernel_input, no_macs

# 255 * 255 shifted further left does not fit 32 bits.
_LARGEST_LEFT_SHIFT = 15


def _factor(op: Operator) -> tuple[int, int]:
    return quantize_multiplier(op.input(0).scale * op.input(1).scale / op.output.scale)


def _check(op: Operator) -> None:
    require_binary(op)
    ops.require(
        op,
        _factor(op)[1] <= _LARGEST_LEFT_SHIFT,
        f"the product of the input scales / output scale must be below 2^{_LARGEST_LEFT_SHIFT}",
    )


def _lower(op: Operator) -> Step:
    first, second, activation = require_binary(op)
    output = op.output
    multiplier, shift = _factor(op)
    low, high = activation_range(activation, output.scale, output.zero_point)
    call = KernelCall(
        kernel="mul_s8",
        params=broadcast_loops(first.shape, second.shape).fields()
        | {
            "input1_zero_point": first.zero_point,
            "input2_zero_point": second.zero_point,
            "output_zero_point": output.zero_point,
            "output_multiplier": multiplier,
            "output_shift": shift,
            "activation_min": low,
            "activation_max": high,
        },
        inputs=(kernel_input(first, "input1"), kernel_input(second, "input2")),
        outputs=(output,),
    )
    return Step((op,), (call,))


def _draw(rng: np.random.Generator) -> ops.SingleOpCase:
    a, b, shape, labels = draw_binary_inputs(rng, (draw_quantization(rng), draw_quantization(rng)))
    assert a.quantization is not None
    assert b.quantization is not None
    # Products reach 2^16 steps; some 256 of them per output step fill the output's range.
    step = a.quantization.scales[0] * b.quantization.scales[0]
    scales = (0.3 * step, 0.9 * step) if chance(rng, 0.15) else (step, 256 * step)
    first, second = likely_range(a.quantization), likely_range(b.quantization)
    products = [x * y for x in first for y in second]
    if a is b:
        products = [x * x for x in first] + ([0.0] if first[0] < 0 < first[1] else [])
    output, activation = draw_binary_output(rng, scales, min(products), max(products))
    options = schema.MulOptionsT()
    options.fusedActivationFunction = activation.value
    model = single_op_model("MUL", [a, b], [int8_operand(shape, output)], options)
    labels |= {
        f"fused {activation.name}",
        "left shift" if output.scales[0] < step else "right shift",
    }
    for role, quantization in (
        ("input 0", a.quantization),
        ("input 1", b.quantization),
        ("output", output),
    ):
        labels |= zero_point_labels(role, quantization.zero_points[0])
    return ops.SingleOpCase(model, labels)


ops.register(
    ops.OperatorDefinition(
        kind="MUL",
        parse=lambda raw: parse_binary(raw, "MulOptionsT"),
        output_shapes=broadcast_shapes,
        check=_check,
        macs=no_macs,
        lower=_lower,
        draw=_draw,
        options=BROADCAST_OPTIONS
        | zero_point_options("input 0", "input 1", "output")
        | {"left shift", "right shift"},
    )
)
