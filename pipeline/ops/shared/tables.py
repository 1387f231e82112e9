"""What operators with one int8 input and one int8 output share: a 256-byte table, `lookup_s8`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pipeline import ops
from pipeline.aot.program import ConstArray, KernelCall, Step
from pipeline.fixed_point import quantize_multiplier
from pipeline.graph import Operator, Shape, Tensor
from pipeline.ops.shared.cases import between
from pipeline.ops.shared.rules import (
    INT8_MAX,
    INT8_MIN,
    LARGEST_RANK,
    kernel_input,
    require_activation_tensor,
    require_at_most_rank,
    require_input,
    require_operands,
    require_output_shapes,
)

_LARGEST_LEFT_SHIFT = 23  # 255 shifted further does not fit 32 bits


def same_shape(op: Operator) -> tuple[Shape]:
    """The shape rule of elementwise operators with one input."""
    require_operands(op, (1,))
    return (require_input(op, 0, "input").shape,)


def require_unary(op: Operator) -> tuple[Tensor, Tensor]:
    """Input and output; refuses all but int8 quantized per tensor, of equal shapes."""
    require_output_shapes(op, same_shape(op))
    tensors = (op.input(0), op.output)
    for tensor, role in zip(tensors, ("input", "output"), strict=True):
        require_activation_tensor(op, tensor, role)
        require_at_most_rank(op, tensor, LARGEST_RANK, role)
    return tensors


def float32_quotient(dividend: float, divisor: float) -> float:
    """The quotient as TFLM has it where it divides scales in float32; may be infinite."""
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(dividend) / np.float32(divisor))


def require_rescaling(op: Operator, factor: float) -> tuple[int, int]:
    """Multiplier and shift from input steps to output steps; refuses 2^23 and above."""
    multiplier, shift = quantize_multiplier(factor) if math.isfinite(factor) else (0, 31)
    ops.require(op, shift <= _LARGEST_LEFT_SHIFT, "input scale / output scale must be below 2^23")
    return multiplier, shift


def clamp_int8(value: int) -> int:
    return max(INT8_MIN, min(INT8_MAX, value))


def lookup_step(op: Operator, function: Callable[[int], int]) -> Step:
    """A step that applies `function`, from int8 values to int8 values, to every element."""
    source = op.input(0)
    in_byte_order = (*range(INT8_MAX + 1), *range(INT8_MIN, 0))
    table = np.array([function(value) for value in in_byte_order], dtype=np.int8)
    call = KernelCall(
        kernel="lookup_s8",
        params={"count": source.size, "table": ConstArray("table", table)},
        inputs=(kernel_input(source, "input"),),
        outputs=(op.output,),
    )
    return Step((op,), (call,))


def draw_unary_shape(rng: np.random.Generator) -> Shape:
    """1 to 4 axes, up to 1,296 elements."""
    return tuple(between(rng, 1, 6) for _ in range(between(rng, 1, 4)))
