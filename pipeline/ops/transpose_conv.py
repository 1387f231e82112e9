"""TRANSPOSE_CONV: the transpose of a two-dimensional convolution, which enlarges an image.

Source of the rules: TensorFlow Lite, `kernels/internal/reference/integer_ops/transpose_conv.h`;
padding is that of the convolution which leads from the output's size to the input's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import KernelCall, Step
from pipeline.graph import DType, Operator, Shape
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.cases import Operand
from pipeline.ops.shared.rules import Activation, Padding, WindowAxis, window_axis
from pipeline.ops.shared.weighted_sum import (
    WEIGHTED_SUM_OPTIONS,
    WeightedSum,
    draw_weighted_sum,
    require_weighted_sum,
)

_OUTPUT_SHAPE, _WEIGHTS, _INPUT, _BIAS = range(4)  # positions of the inputs
_CHANNEL_AXIS = 0  # of the weights [output channels][height][width][input channels]
_LARGEST_STRIDE = rules.LARGEST_WINDOW


@dataclass(frozen=True)
class TransposeConvAttributes:
    """Attributes of TRANSPOSE_CONV."""

    stride_height: int
    stride_width: int
    padding: Padding
    activation: Activation


def _parse(raw: Any) -> TransposeConvAttributes | None:
    options = rules.options_of(raw, "TransposeConvOptionsT")
    if options is None:
        return None
    return TransposeConvAttributes(
        stride_height=int(options.strideH),
        stride_width=int(options.strideW),
        padding=Padding(options.padding),
        activation=Activation(options.fusedActivationFunction),
    )


def _output_shapes(op: Operator) -> tuple[Shape]:
    rules.require_operands(op, (3, 4))
    rules.require_attributes(op, TransposeConvAttributes)
    given = rules.require_input(op, _OUTPUT_SHAPE, "output shape")
    rules.require_dtype(op, given, DType.INT32, "output shape")
    shape = tuple(int(n) for n in rules.require_constant(op, given, "output shape").ravel())
    image = rules.require_input(op, _INPUT, "input")
    weights = rules.require_input(op, _WEIGHTS, "weights")
    rules.require_rank(op, image, (4,), "input")
    rules.require_rank(op, weights, (4,), "weights")
    require(
        op,
        len(shape) == 4
        and (shape[0], shape[3]) == (image.shape[0], weights.shape[_CHANNEL_AXIS])
        and min(shape) >= 1,
        f"the output shape must be (batches, height, width, output channels), it is {shape}",
    )
    require(
        op,
        weights.shape[3] == image.shape[3],
        f"weights must have the input's {image.shape[3]} channels, they have {weights.shape[3]}",
    )
    return (shape,)


def _require_windows(op: Operator) -> tuple[WindowAxis, WindowAxis]:
    """The windows over height and width of the output, whose `input` is the output's size."""
    ((_, height, width, _),) = _output_shapes(op)
    a, weights = op.attributes, op.input(_WEIGHTS)
    _, kernel_height, kernel_width, _ = weights.shape
    return (
        _require_window(op, height, kernel_height, a.stride_height),
        _require_window(op, width, kernel_width, a.stride_width),
    )


def _require_window(op: Operator, size: int, kernel: int, stride: int) -> WindowAxis:
    padding = op.attributes.padding
    require(
        op,
        1 <= stride <= _LARGEST_STRIDE and kernel <= rules.LARGEST_WINDOW,
        f"strides must be in 1..{_LARGEST_STRIDE} and kernels at most {rules.LARGEST_WINDOW} "
        f"wide, they are {stride} and {kernel}",
    )
    require(
        op,
        padding is Padding.SAME or kernel <= size,
        f"with VALID padding the kernel ({kernel}) must fit the output ({size})",
    )
    return window_axis(size, kernel, stride, 1, padding)


def _require_constants(op: Operator) -> WeightedSum:
    return require_weighted_sum(op, _CHANNEL_AXIS, positions=(_INPUT, _WEIGHTS, _BIAS))


def _check(op: Operator) -> None:
    _require_windows(op)
    rules.require_output_shapes(op, _output_shapes(op))
    rules.require_fused_activation(op, op.attributes.activation)
    _require_constants(op)


def _macs(op: Operator) -> int:
    """Input elements x kernel height x kernel width x output channels.

    Taps that fall outside the output count, as those in the padding of a convolution.
    """
    _output_shapes(op)
    output_channels, kernel_height, kernel_width, _ = op.input(_WEIGHTS).shape
    return op.input(_INPUT).size * kernel_height * kernel_width * output_channels


def _lower(op: Operator) -> Step:
    rows, columns = _require_windows(op)
    constants = _require_constants(op)
    image, output = op.input(_INPUT), op.output
    batches, input_height, input_width, input_channels = image.shape
    low, high = rules.activation_range(op.attributes.activation, output.scale, output.zero_point)
    call = KernelCall(
        kernel="transpose_conv_s8",
        params={
            "batches": batches,
            "input_height": input_height,
            "input_width": input_width,
            "input_channels": input_channels,
            "output_height": output.shape[1],
            "output_width": output.shape[2],
            "output_channels": output.shape[3],
            "kernel_height": rows.kernel,
            "kernel_width": columns.kernel,
            "stride_height": rows.stride,
            "stride_width": columns.stride,
            "padding_top": rows.padding,
            "padding_left": columns.padding,
            "input_zero_point": image.zero_point,
            "output_zero_point": output.zero_point,
            "output_low": low,
            "output_high": high,
            **constants.channel_params(constants.bias),
        },
        inputs=(rules.kernel_input(image, "input"),),
        outputs=(output,),
    )
    return Step((op,), (call,))


# --- random cases ------------------------------------------------------------------------------


def _draw(rng: np.random.Generator) -> SingleOpCase:
    padding = cases.pick(rng, (Padding.SAME, Padding.VALID))
    rows, columns = (_draw_axis(rng, padding) for _ in range(2))
    batches = cases.pick(rng, (1, 1, 1, 2))
    input_channels = cases.pick(rng, (1, 2, 3, 4, 7, 8))
    output_channels = cases.pick(rng, (1, 2, 3, 4, 5, 8, 9))
    weights_shape = (output_channels, rows.kernel, columns.kernel, input_channels)
    drawn = draw_weighted_sum(rng, weights_shape, _CHANNEL_AXIS)
    options = schema.TransposeConvOptionsT()
    options.strideH, options.strideW = rows.stride, columns.stride
    options.padding = padding.value
    options.fusedActivationFunction = drawn.activation.value
    shape = (batches, rows.input, columns.input, output_channels)
    inputs = [
        Operand((4,), DType.INT32, data=np.array(shape, np.int32)),
        drawn.weights,
        cases.int8_operand((batches, rows.output, columns.output, input_channels), drawn.input),
    ]
    if drawn.bias is not None:
        inputs.append(drawn.bias)
    model = cases.single_op_model(
        "TRANSPOSE_CONV", inputs, [cases.int8_operand(shape, drawn.output)], options
    )
    axes = (rows, columns)
    found = {
        padding.name: True,
        "stride above 1": any(axis.stride > 1 for axis in axes),
        "stride above the kernel": any(axis.stride > axis.kernel for axis in axes),
        "output padding": any(
            axis.input > (axis.output - 1) * axis.stride + axis.kernel for axis in axes
        ),
        "cropped": any(axis.padding > 0 for axis in axes),
        "1x1 kernel": all(axis.kernel == 1 for axis in axes),
        "one input channel": input_channels == 1,
        "odd channels": output_channels % 2 == 1,
        "batch above 1": batches > 1,
    }
    return SingleOpCase(model, drawn.labels | {label for label, holds in found.items() if holds})


def _draw_axis(rng: np.random.Generator, padding: Padding) -> WindowAxis:
    """A window over the output whose number of positions is the input's size."""
    stride = cases.pick(rng, (1, 2, 2, 3))
    kernel = cases.between(rng, 1, 5)
    smallest = kernel if padding is Padding.VALID else 1
    size = cases.between(rng, smallest, max(smallest, stride * cases.between(rng, 1, 6) + 2))
    return window_axis(size, kernel, stride, 1, padding)


register(
    OperatorDefinition(
        kind="TRANSPOSE_CONV",
        parse=_parse,
        output_shapes=_output_shapes,
        check=_check,
        macs=_macs,
        lower=_lower,
        draw=_draw,
        options=WEIGHTED_SUM_OPTIONS
        | {
            "SAME",
            "VALID",
            "stride above 1",
            "stride above the kernel",
            "output padding",
            "cropped",
            "1x1 kernel",
            "one input channel",
            "odd channels",
            "batch above 1",
        },
    )
)
