"""What LOGISTIC and TANH share: int8 to Q4.27, a function that saturates at both ends, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline import ops
from pipeline.aot.program import Step
from pipeline.fixed_point import (
    input_radius,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_power_of_two,
)
from pipeline.graph import Operator, Quantization
from pipeline.ops.shared.cases import (
    draw_scale,
    draw_zero_point,
    int8_operand,
    single_op_model,
    zero_point_labels,
    zero_point_options,
)
from pipeline.ops.shared.rules import INT8_MAX, INT8_MIN
from pipeline.ops.shared.tables import clamp_int8, draw_unary_shape, lookup_step, require_unary

_INPUT_INTEGER_BITS = 4
# Beyond, TFLM shifts a 64-bit integer by a negative number or by its width.
_SMALLEST_INPUT_SCALE = 2.0**-28
_INPUT_SCALE_LIMIT = 2.0**35

SIGMOID_OPTIONS = zero_point_options("input") | {"saturates", "stays within the table"}


@dataclass(frozen=True)
class SigmoidFunction:
    """One of the two operators.

    Attributes:
        kind: TFLite's builtin operator name.
        function: (raw fixed point, its integer bits) -> raw fixed point with 0 integer bits.
        output: the only quantization that TFLite gives the output.
        output_shift: from Q0.31 to output steps.
    """

    kind: str
    function: Callable[[int, int], int]
    output: Quantization
    output_shift: int

    def check(self, op: Operator) -> None:
        source, output = require_unary(op)
        ops.require(
            op,
            output.quantization == self.output,
            f"the output's scale must be 1/{round(1 / self.output.scales[0])} and its zero point "
            f"{self.output.zero_points[0]}",
        )
        ops.require(
            op,
            _SMALLEST_INPUT_SCALE <= source.scale < _INPUT_SCALE_LIMIT,
            f"the input's scale must be from 2^-28 to below 2^35, it is {source.scale:g}",
        )

    def lower(self, op: Operator) -> Step:
        source = op.input(0)
        multiplier, shift = _input_factor(source.scale)
        radius = input_radius(_INPUT_INTEGER_BITS, shift)

        def value_of(value: int) -> int:
            centered = value - source.zero_point
            if centered <= -radius:
                return INT8_MIN
            if centered >= radius:
                return INT8_MAX
            scaled = multiply_by_quantized_multiplier(centered, multiplier, shift)
            result = rounding_divide_by_power_of_two(
                self.function(scaled, _INPUT_INTEGER_BITS), self.output_shift
            )
            return clamp_int8(result + self.output.zero_points[0])

        return lookup_step(op, value_of)

    def draw(self, rng: np.random.Generator) -> ops.SingleOpCase:
        source = Quantization((draw_scale(rng, 0.004, 0.5),), (draw_zero_point(rng),))
        shape = draw_unary_shape(rng)
        model = single_op_model(
            self.kind, [int8_operand(shape, source)], [int8_operand(shape, self.output)]
        )
        reach = max(abs(end - source.zero_points[0]) for end in (INT8_MIN, INT8_MAX))
        saturates = reach * source.scales[0] >= (1 << _INPUT_INTEGER_BITS) - 1
        labels = frozenset({"saturates" if saturates else "stays within the table"})
        return ops.SingleOpCase(model, labels | zero_point_labels("input", source.zero_points[0]))


def _input_factor(scale: float) -> tuple[int, int]:
    """From input steps to Q4.27."""
    return quantize_multiplier(math.ldexp(scale, 31 - _INPUT_INTEGER_BITS))
