"""DEPTHWISE_CONV_2D: every input channel convolved with kernels of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import FieldValue, KernelCall, Step
from pipeline.graph import Operator, Shape
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, convolution, rules
from pipeline.ops.shared.convolution import ConvolutionAttributes
from pipeline.ops.shared.weighted_sum import draw_weighted_sum, require_weighted_sum

_CHANNEL_AXIS = 3  # of the weights [1][height][width][output channels]


def _parse(raw: Any) -> ConvolutionAttributes | None:
    return convolution.parse_convolution(raw, "DepthwiseConv2DOptionsT")


def _output_shapes(op: Operator) -> tuple[Shape, ...]:
    rows, columns = convolution.require_windows(op)
    return ((op.input(0).shape[0], rows.output, columns.output, op.input(1).shape[_CHANNEL_AXIS]),)


def _check(op: Operator) -> None:
    convolution.require_windows(op)
    rules.require_fused_activation(op, op.attributes.activation)
    weights, multiplier = op.input(1).shape, op.attributes.depth_multiplier
    input_channels = op.input(0).shape[3]
    require(
        op,
        weights[0] == 1,
        f"weights must have the shape (1, height, width, channels), it is {weights}",
    )
    require(
        op,
        input_channels * multiplier == weights[_CHANNEL_AXIS],
        f"{input_channels} input channels x depth multiplier {multiplier} must be the "
        f"{weights[_CHANNEL_AXIS]} channels of the weights",
    )
    require_weighted_sum(op, _CHANNEL_AXIS)


def _macs(op: Operator) -> int:
    """Output elements x kernel height x kernel width; taps in the padding count."""
    ((batches, height, width, channels),) = _output_shapes(op)
    _, kernel_height, kernel_width, _ = op.input(1).shape
    return batches * height * width * channels * kernel_height * kernel_width


def _lower(op: Operator) -> Step:
    call = KernelCall(
        "depthwise_conv_2d_s8",
        _params(op),
        (rules.kernel_input(op.input(0), "input"),),
        (op.output,),
    )
    return Step((op,), (call,))


def _params(op: Operator) -> dict[str, FieldValue]:
    constants = require_weighted_sum(op, _CHANNEL_AXIS)
    batches, input_height, input_width, input_channels = op.input(0).shape
    _, output_height, output_width, _ = op.output.shape
    _, kernel_height, kernel_width, _ = op.input(1).shape
    return {
        "batches": batches,
        "input_height": input_height,
        "input_width": input_width,
        "input_channels": input_channels,
        "output_height": output_height,
        "output_width": output_width,
        "depth_multiplier": op.attributes.depth_multiplier,
        "kernel_height": kernel_height,
        "kernel_width": kernel_width,
        **convolution.window_params(op),
        **constants.channel_params(constants.bias),
    }


def _draw(rng: np.random.Generator) -> SingleOpCase:
    windows = convolution.draw_windows(rng)
    rows, columns = windows.rows, windows.columns
    batches = cases.pick(rng, (1, 1, 1, 2))
    input_channels = cases.pick(rng, (1, 2, 3, 4, 5, 8, 11, 16))
    multiplier = cases.pick(rng, (1, 1, 2, 3, 8))
    output_channels = input_channels * multiplier
    drawn = draw_weighted_sum(rng, (1, rows.kernel, columns.kernel, output_channels), _CHANNEL_AXIS)
    options = schema.DepthwiseConv2DOptionsT()
    options.depthMultiplier = multiplier
    # Two inputs where there is no bias: TFLM crashes on a third that says "absent".
    constants = (drawn.weights,) if drawn.bias is None else (drawn.weights, drawn.bias)
    model = cases.single_op_model(
        "DEPTHWISE_CONV_2D",
        (
            cases.int8_operand((batches, rows.input, columns.input, input_channels), drawn.input),
            *constants,
        ),
        (
            cases.int8_operand(
                (batches, rows.output, columns.output, output_channels), drawn.output
            ),
        ),
        convolution.fill_options(options, windows, drawn.activation),
    )
    labels = convolution.draw_labels(windows, batches, input_channels, output_channels)
    return SingleOpCase(model, drawn.labels | labels | {_multiplier_label(multiplier)})


def _multiplier_label(multiplier: int) -> str:
    return "depth multiplier 1" if multiplier == 1 else "depth multiplier above 1"


register(
    OperatorDefinition(
        kind="DEPTHWISE_CONV_2D",
        output_shapes=_output_shapes,
        check=_check,
        macs=_macs,
        lower=_lower,
        draw=_draw,
        options=convolution.CONVOLUTION_OPTIONS | {_multiplier_label(1), _multiplier_label(2)},
        parse=_parse,
        windows=convolution.require_windows,
    )
)
