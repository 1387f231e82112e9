"""RELU and RELU6 of int8.

TFLM's RELU rescales from the input's quantization to the output's; its RELU6 clamps the input's
values as they are and ignores the output's quantization. TFLM has no RELU_N1_TO_1 of its own.
"""

from __future__ import annotations

import numpy as np

from pipeline import ops
from pipeline.aot.program import Step
from pipeline.fixed_point import multiply_by_quantized_multiplier
from pipeline.graph import Operator, Quantization
from pipeline.ops.shared.cases import (
    draw_quantization,
    draw_scale,
    draw_zero_point,
    float32,
    int8_operand,
    single_op_model,
    zero_point_labels,
)
from pipeline.ops.shared.rules import Activation, activation_range, no_macs
from pipeline.ops.shared.tables import (
    clamp_int8,
    draw_unary_shape,
    float32_quotient,
    lookup_step,
    require_rescaling,
    require_unary,
    same_shape,
)


def _rescaling(op: Operator) -> tuple[int, int]:
    return require_rescaling(op, float32_quotient(op.input(0).scale, op.output.scale))


def _check_relu(op: Operator) -> None:
    require_unary(op)
    _rescaling(op)


def _lower_relu(op: Operator) -> Step:
    source, output = require_unary(op)
    multiplier, shift = _rescaling(op)

    def relu(value: int) -> int:
        scaled = multiply_by_quantized_multiplier(value - source.zero_point, multiplier, shift)
        return clamp_int8(max(scaled, 0) + output.zero_point)

    return lookup_step(op, relu)


def _check_relu6(op: Operator) -> None:
    source, _ = require_unary(op)
    ops.require(op, 6 / source.scale < 1 << 30, "6 / input scale must be below 2^30")


def _lower_relu6(op: Operator) -> Step:
    source, _ = require_unary(op)
    low, high = activation_range(Activation.RELU6, source.scale, source.zero_point)
    return lookup_step(op, lambda value: min(max(value, low), high))


# --- random cases ------------------------------------------------------------------------------


def _draw_relu(rng: np.random.Generator) -> ops.SingleOpCase:
    # With zero points near 127 (no input above 0, no output above 0) outputs are constant.
    source = Quantization((draw_scale(rng),), (min(draw_zero_point(rng), 64),))
    ratio = float(np.exp(rng.uniform(np.log(0.02), np.log(8.0))))
    output = Quantization((float32(source.scales[0] / ratio),), (min(draw_zero_point(rng), 100),))
    labels = frozenset({"left shift" if ratio >= 1 else "right shift"})
    for role, quantization in (("input", source), ("output", output)):
        labels |= zero_point_labels(role, quantization.zero_points[0])
    return _case(rng, "RELU", source, output, labels)


def _draw_relu6(rng: np.random.Generator) -> ops.SingleOpCase:
    source = Quantization((draw_scale(rng, 0.01, 0.5),), (min(draw_zero_point(rng), 64),))
    beyond = source.zero_points[0] + 6 / source.scales[0] > 127
    labels = frozenset({"6 beyond the range" if beyond else "6 within the range"})
    output = source
    if rng.random() < 0.3:
        output = draw_quantization(rng)
        labels |= {"two quantizations"}
    return _case(rng, "RELU6", source, output, labels)


def _case(
    rng: np.random.Generator,
    kind: str,
    source: Quantization,
    output: Quantization,
    labels: frozenset[str],
) -> ops.SingleOpCase:
    shape = draw_unary_shape(rng)
    model = single_op_model(kind, [int8_operand(shape, source)], [int8_operand(shape, output)])
    return ops.SingleOpCase(model, labels)


ops.register(
    ops.OperatorDefinition(
        kind="RELU",
        output_shapes=same_shape,
        check=_check_relu,
        macs=no_macs,
        lower=_lower_relu,
        draw=_draw_relu,
        options=frozenset(
            {"left shift", "right shift", "input zero point -128", "output zero point -128"}
        ),
    )
)
ops.register(
    ops.OperatorDefinition(
        kind="RELU6",
        output_shapes=same_shape,
        check=_check_relu6,
        macs=no_macs,
        lower=_lower_relu6,
        draw=_draw_relu6,
        options=frozenset({"6 beyond the range", "6 within the range", "two quantizations"}),
    )
)
