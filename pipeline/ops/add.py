"""ADD and SUB: elementwise sum and difference of two int8 tensors that broadcast, with a fused
activation.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/integer_ops/add.h` and
`kernels/internal/reference/sub.h`, and the factors as TensorFlow Lite Micro prepares them: those of
ADD in double precision, those of SUB in single.
"""

from __future__ import annotations

import math
from functools import partial

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


def _add_factors(op: Operator) -> tuple[float, float, float]:
    """Of input 0, input 1 and the output."""
    scales = (op.input(0).scale, op.input(1).scale)
    twice_larger = 2 * max(scales)
    output = twice_larger / ((1 << _LEFT_SHIFT) * op.output.scale)
    return scales[0] / twice_larger, scales[1] / twice_larger, output


def _sub_factors(op: Operator) -> tuple[float, float, float]:
    """Of input 0, input 1 and the output; infinite or NaN where single precision overflows."""
    first, second = np.float32(op.input(0).scale), np.float32(op.input(1).scale)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        twice_larger = np.float32(2) * max(first, second)
        output = twice_larger / (np.float32(1 << _LEFT_SHIFT) * np.float32(op.output.scale))
        return float(first / twice_larger), float(second / twice_larger), float(output)


_FACTORS = {"ADD": _add_factors, "SUB": _sub_factors}
_KERNELS = {"ADD": "add_s8", "SUB": "sub_s8"}


def _check(op: Operator) -> None:
    require_binary(op)
    factors = _FACTORS[op.kind](op)
    ops.require(
        op,
        all(math.isfinite(factor) for factor in factors)
        and all(quantize_multiplier(factor)[1] <= 0 for factor in factors),
        "2 x the larger input scale / output scale must be below 2^20",
    )


def _lower(op: Operator) -> Step:
    first, second, activation = require_binary(op)
    output = op.output
    low, high = activation_range(activation, output.scale, output.zero_point)
    factors = zip(
        ("input1", "input2", "output"), (first, second, output), _FACTORS[op.kind](op), strict=True
    )
    params = broadcast_loops(first.shape, second.shape).fields()
    for role, tensor, factor in factors:
        params[f"{role}_zero_point"] = tensor.zero_point
        params[f"{role}_multiplier"], params[f"{role}_shift"] = quantize_multiplier(factor)
    params |= {"activation_min": low, "activation_max": high}
    call = KernelCall(
        kernel=_KERNELS[op.kind],
        params=params,
        inputs=(kernel_input(first, "input1"), kernel_input(second, "input2")),
        outputs=(output,),
        family="add_s8",
    )
    return Step((op,), (call,))


def _draw(rng: np.random.Generator, kind: str) -> ops.SingleOpCase:
    first = draw_quantization(rng)
    second = Quantization(first.scales, (draw_zero_point(rng),))
    if chance(rng, 0.7):
        second = draw_quantization(rng)
    a, b, shape, labels = draw_binary_inputs(rng, (first, second))
    if kind == "SUB" and a is b and chance(rng, 0.8):  # x - x is constant
        return _draw(rng, kind)
    assert a.quantization is not None
    assert b.quantization is not None
    larger = max(a.quantization.scales + b.quantization.scales)
    # The sum spans up to twice the larger input's range; an output of a smaller scale saturates.
    (low, high), (second_low, second_high) = map(likely_range, (a.quantization, b.quantization))
    if kind == "SUB":
        second_low, second_high = -second_high, -second_low
    output, activation = draw_binary_output(
        rng, (0.25 * larger, 3 * larger), low + second_low, high + second_high
    )
    options = schema.AddOptionsT() if kind == "ADD" else schema.SubOptionsT()
    options.fusedActivationFunction = activation.value
    model = single_op_model(kind, [a, b], [int8_operand(shape, output)], options)
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


_OPTIONS = (
    BROADCAST_OPTIONS
    | zero_point_options("input 0", "input 1", "output")
    | {"equal scales", "two scales", "saturating output"}
)

for _kind, _type_name in (("ADD", "AddOptionsT"), ("SUB", "SubOptionsT")):
    ops.register(
        ops.OperatorDefinition(
            kind=_kind,
            parse=partial(parse_binary, type_name=_type_name),
            output_shapes=broadcast_shapes,
            check=_check,
            macs=no_macs,
            lower=_lower,
            draw=partial(_draw, kind=_kind),
            options=_OPTIONS,
        )
    )
