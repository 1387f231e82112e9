"""What elementwise operators with two inputs share: broadcasting, attributes and random cases.

The C side of `BroadcastLoops` is `firmware/kernels/broadcast.h`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.aot.program import ConstArray, FieldValue, int32_array
from pipeline.graph import DType, Operator, Quantization, Shape, Tensor
from pipeline.ops import require
from pipeline.ops.shared.cases import (
    Operand,
    between,
    chance,
    draw_int8,
    draw_scale,
    draw_zero_point,
    int8_operand,
    pick,
)
from pipeline.ops.shared.rules import (
    FUSED_ACTIVATIONS,
    LARGEST_RANK,
    Activation,
    activation_range,
    options_of,
    require_activation_tensor,
    require_at_most_rank,
    require_attributes,
    require_fused_activation,
    require_input,
    require_operands,
    require_output_shapes,
)


@dataclass(frozen=True)
class BinaryAttributes:
    """Attributes of ADD, SUB and MUL."""

    activation: Activation


def parse_binary(raw: Any, type_name: str) -> BinaryAttributes | None:
    """Attributes from the schema options object of that type, None where it is another."""
    options = options_of(raw, type_name)
    if options is None:
        return None
    return BinaryAttributes(Activation(options.fusedActivationFunction))


def require_binary(op: Operator) -> tuple[Tensor, Tensor, Activation]:
    """The two int8 inputs and the fused activation; refuses all but int8 quantized per tensor."""
    require_operands(op, (2,))
    attributes = require_attributes(op, BinaryAttributes)
    require_fused_activation(op, attributes.activation)
    return (*require_broadcast_inputs(op), attributes.activation)


def require_broadcast_inputs(op: Operator) -> tuple[Tensor, Tensor]:
    """The two inputs; refuses all but int8 quantized per tensor, of shapes that broadcast."""
    require_operands(op, (2,))
    first, second = require_input(op, 0, "input 0"), require_input(op, 1, "input 1")
    for tensor, role in ((first, "input 0"), (second, "input 1"), (op.output, "output")):
        require_activation_tensor(op, tensor, role)
        require_at_most_rank(op, tensor, LARGEST_RANK, role)
    require_output_shapes(op, broadcast_shapes(op))
    return first, second


def broadcast_shapes(op: Operator) -> tuple[Shape]:
    """The shape rule: axes aligned at the last one, of which each is equal or 1."""
    require_operands(op, (2,))
    shapes = (require_input(op, 0, "input 0").shape, require_input(op, 1, "input 1").shape)
    aligned = list(zip(*_aligned(shapes), strict=True))
    require(
        op,
        all(a == b or 1 in (a, b) for a, b in aligned),
        f"the input shapes must broadcast, they are {shapes[0]} and {shapes[1]}",
    )
    return (tuple(max(pair) for pair in aligned),)


def _aligned(shapes: Sequence[Shape]) -> list[Shape]:
    rank = max(len(shape) for shape in shapes)
    return [(1,) * (rank - len(shape)) + shape for shape in shapes]


@dataclass(frozen=True)
class BroadcastLoops:
    """Two inputs walked with their output: an inner loop within outer loops, innermost first.

    Attributes:
        inner: elements of the inner loop.
        steps: what each input's pointer moves per element, 1 or 0.
        extents: of the outer loops.
        jumps: per input, what its pointer moves when an outer loop advances and all loops within
            it start again, counted from behind the inner loop.
    """

    inner: int
    steps: tuple[int, int]
    extents: tuple[int, ...]
    jumps: tuple[tuple[int, ...], tuple[int, ...]]

    def fields(self) -> dict[str, FieldValue]:
        """The first fields of a broadcasting kernel's parameters."""

        def array(name: str, values: Sequence[int]) -> ConstArray | None:
            return int32_array(name, values) if values else None

        return {
            "inner": self.inner,
            "input1_step": self.steps[0],
            "input2_step": self.steps[1],
            "outer_loops": len(self.extents),
            "extents": array("extents", self.extents),
            "input1_jumps": array("input1_jumps", self.jumps[0]),
            "input2_jumps": array("input2_jumps", self.jumps[1]),
        }


def broadcast_loops(first: Shape, second: Shape) -> BroadcastLoops:
    """Loops over two shapes that broadcast; neighbouring axes that do so alike are one loop."""
    extents: list[int] = []
    moving: list[tuple[bool, bool]] = []
    for a, b in reversed(list(zip(*_aligned((first, second)), strict=True))):
        if a == b == 1:
            continue
        moves = (a != 1, b != 1)
        if moving and moving[-1] == moves:
            extents[-1] *= max(a, b)
        else:
            extents.append(max(a, b))
            moving.append(moves)
    if not extents:
        return BroadcastLoops(1, (1, 1), (), ((), ()))
    jumps = tuple(_jumps(extents, [pair[i] for pair in moving]) for i in range(2))
    steps = (int(moving[0][0]), int(moving[0][1]))
    return BroadcastLoops(extents[0], steps, tuple(extents[1:]), (jumps[0], jumps[1]))


def _jumps(extents: Sequence[int], moves: Sequence[bool]) -> tuple[int, ...]:
    """Jumps of one input; `extents` begins with the inner loop."""
    strides = [
        math.prod(e for e, m in zip(extents[:i], moves[:i], strict=True) if m) if moving else 0
        for i, moving in enumerate(moves)
    ]
    behind = extents[0] * strides[0]
    jumps = []
    for extent, stride in zip(extents[1:], strides[1:], strict=True):
        jumps.append(stride - behind)
        behind += (extent - 1) * stride
    return tuple(jumps)


# --- random cases ------------------------------------------------------------------------------

SHAPE_OPTIONS = frozenset(
    {
        "same shape",
        "scalar input",
        "input 0 broadcasts",
        "input 1 broadcasts",
        "both inputs broadcast",
        "several loops",
        "constant input 0",
        "constant input 1",
        "same tensor twice",
        "rank 6",
    }
)
BROADCAST_OPTIONS = SHAPE_OPTIONS | {f"fused {a.name}" for a in FUSED_ACTIVATIONS}


def draw_binary_inputs(
    rng: np.random.Generator, quantizations: tuple[Quantization, Quantization]
) -> tuple[Operand, Operand, Shape, frozenset[str]]:
    """Two operands whose shapes broadcast, the output's shape, and the labels they deserve."""
    shape = tuple(between(rng, 1, 5) for _ in range(between(rng, 1, LARGEST_RANK)))
    shapes = [shape, shape]
    if chance(rng, 0.15):
        operand = int8_operand(shape, quantizations[0])
        return operand, operand, shape, _shape_labels(shape, shape) | {"same tensor twice"}
    for i in range(2):
        if chance(rng, 0.65):
            shapes[i] = _reduced(rng, shape)
    constant = pick(rng, (None, None, 0, 1))
    operands = [
        Operand(s, DType.INT8, q, draw_int8(rng, s) if constant == i else None)
        for i, (s, q) in enumerate(zip(shapes, quantizations, strict=True))
    ]
    result = tuple(max(pair) for pair in zip(*_aligned(shapes), strict=True))
    labels = _shape_labels(shapes[0], shapes[1])
    if constant is not None:
        labels |= {f"constant input {constant}"}
    return operands[0], operands[1], result, labels


def _reduced(rng: np.random.Generator, shape: Shape) -> Shape:
    """The shape with some axes 1, and maybe without leading axes; a scalar at times."""
    if chance(rng, 0.15):
        return pick(rng, ((), (1,)))
    reduced = tuple(1 if chance(rng, 0.5) else extent for extent in shape)
    return reduced[between(rng, 0, len(shape) - 1) :] if chance(rng, 0.4) else reduced


def draw_binary_output(
    rng: np.random.Generator, scales: tuple[float, float], low: float, high: float
) -> tuple[Quantization, Activation]:
    """An output quantization and a fused activation, such that outputs mostly vary.

    Args:
        scales: between which to draw the output's.
        low: lower end of the real results that are likely.
        high: their upper end.
    """
    for _ in range(1 if chance(rng, 0.05) else 50):
        scale, zero_point = draw_scale(rng, *scales), draw_zero_point(rng)
        activation = pick(rng, FUSED_ACTIVATIONS)
        ends = activation_range(activation, scale, zero_point)
        bottom = max(low, scale * (ends[0] - zero_point))
        top = min(high, scale * (ends[1] - zero_point))
        if top - bottom > max(4 * scale, (high - low) / 4):
            break
    return Quantization((scale,), (zero_point,)), activation


def likely_range(quantization: Quantization) -> tuple[float, float]:
    """The real values of -64 and 63, between which half of a random input's elements are."""
    scale, zero_point = quantization.scales[0], quantization.zero_points[0]
    return scale * (-64 - zero_point), scale * (63 - zero_point)


def _shape_labels(first: Shape, second: Shape) -> frozenset[str]:
    labels = set()
    loops = broadcast_loops(first, second)
    sizes = tuple(math.prod(shape) for shape in (first, second))
    output = loops.inner * math.prod(loops.extents)
    if first == second:
        labels.add("same shape")
    if () in (first, second):
        labels.add("scalar input")
    if sizes[0] < output and sizes[1] < output:
        labels.add("both inputs broadcast")
    else:
        labels |= {f"input {i} broadcasts" for i in range(2) if sizes[i] < output}
    if len(loops.extents) > 1:
        labels.add("several loops")
    if max(len(first), len(second)) == LARGEST_RANK:
        labels.add("rank 6")
    return frozenset(labels)
