"""LEAKY_RELU of int8: values below 0 times alpha.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/leaky_relu.h`, and the
factors in single precision as TensorFlow Lite Micro prepares them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline import ops
from pipeline.aot.program import Step
from pipeline.fixed_point import multiply_by_quantized_multiplier, quantize_multiplier
from pipeline.graph import Operator, Quantization
from pipeline.ops.shared.cases import (
    between,
    chance,
    draw_scale,
    draw_zero_point,
    float32,
    int8_operand,
    pick,
    single_op_model,
    zero_point_labels,
    zero_point_options,
)
from pipeline.ops.shared.rules import no_macs, options_of, require_attributes
from pipeline.ops.shared.tables import (
    clamp_int8,
    draw_unary_shape,
    float32_quotient,
    lookup_step,
    require_rescaling,
    require_unary,
    same_shape,
)

_ALPHA_FACTOR_LIMIT = 1 << 23  # 255 shifted further left does not fit 32 bits


@dataclass(frozen=True)
class LeakyReluAttributes:
    """The factor of values below 0, of any sign."""

    alpha: float


def _parse(raw: Any) -> LeakyReluAttributes | None:
    options = options_of(raw, "LeakyReluOptionsT")
    return None if options is None else LeakyReluAttributes(float(np.float32(options.alpha)))


def _alpha_factor(op: Operator) -> float:
    """alpha x input scale / output scale, each step in single precision."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        product = np.float32(op.input(0).scale) * np.float32(op.attributes.alpha)
        return float(product / np.float32(op.output.scale))


def _identity(op: Operator) -> tuple[int, int]:
    return require_rescaling(op, float32_quotient(op.input(0).scale, op.output.scale))


def _check(op: Operator) -> None:
    require_attributes(op, LeakyReluAttributes)
    require_unary(op)
    _identity(op)
    factor = _alpha_factor(op)
    ops.require(
        op,
        math.isfinite(factor) and abs(factor) < _ALPHA_FACTOR_LIMIT,
        f"|alpha| x input scale / output scale must be below 2^23, alpha is "
        f"{op.attributes.alpha:g}",
    )


def _lower(op: Operator) -> Step:
    source, output = require_unary(op)
    identity, alpha = _identity(op), quantize_multiplier(_alpha_factor(op))

    def leaky_relu(value: int) -> int:
        centered = value - source.zero_point
        if centered >= 0:
            return clamp_int8(
                multiply_by_quantized_multiplier(centered, *identity) + output.zero_point
            )
        # Rounding is not symmetric around 0: a negative factor's sign is applied last.
        scaled = multiply_by_quantized_multiplier(centered, abs(alpha[0]), alpha[1])
        return clamp_int8((scaled if alpha[0] >= 0 else -scaled) + output.zero_point)

    return lookup_step(op, leaky_relu)


# --- random cases ------------------------------------------------------------------------------


def _draw(rng: np.random.Generator) -> ops.SingleOpCase:
    source = Quantization((draw_scale(rng),), (draw_zero_point(rng),))
    ratio = float(np.exp(rng.uniform(np.log(0.1), np.log(8.0))))
    output = Quantization((float32(source.scales[0] / ratio),), (draw_zero_point(rng),))
    alpha = pick(rng, (0.01, 0.1, 0.2, 0.3, 1.0, float(rng.uniform(0.0, 1.0))))
    if chance(rng, 0.2):
        alpha = pick(rng, (0.0, -0.3, -1.0, 1.5, float(rng.uniform(-3.0, 3.0))))
    # The largest negative input mostly moves the output by some steps.
    if abs(alpha) * ratio * (source.zero_points[0] + 128) < 8 and source.zero_points[0] > 0:
        source = Quantization(source.scales, (between(rng, -128, 0),))
    if output.zero_points[0] == 127:
        output = Quantization(output.scales, (between(rng, -128, 126),))
    options = schema.LeakyReluOptionsT()
    options.alpha = alpha
    shape = draw_unary_shape(rng)
    model = single_op_model(
        "LEAKY_RELU", [int8_operand(shape, source)], [int8_operand(shape, output)], options
    )
    labels = {
        "left shift" if ratio >= 1 else "right shift",
        "alpha below 0" if alpha < 0 else "alpha 0" if alpha == 0 else "alpha above 0",
    }
    labels |= {"alpha above 1"} if alpha > 1 else set()
    for role, quantization in (("input", source), ("output", output)):
        labels |= zero_point_labels(role, quantization.zero_points[0])
    return ops.SingleOpCase(model, frozenset(labels))


ops.register(
    ops.OperatorDefinition(
        kind="LEAKY_RELU",
        parse=_parse,
        output_shapes=same_shape,
        check=_check,
        macs=no_macs,
        lower=_lower,
        draw=_draw,
        options=(zero_point_options("input", "output") - {"output zero point 127"})
        | {
            "left shift",
            "right shift",
            "alpha above 0",
            "alpha below 0",
            "alpha 0",
            "alpha above 1",
        },
    )
)
