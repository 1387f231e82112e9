"""CONV_2D: two-dimensional convolution, grouped ones included."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import FieldValue, KernelCall, Step
from pipeline.graph import Operator, Shape
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, convolution, rules
from pipeline.ops.shared.convolution import ConvolutionAttributes
from pipeline.ops.shared.weighted_sum import WeightedSum, draw_weighted_sum, require_weighted_sum

_CHANNEL_AXIS = 0  # of the weights [output channels][height][width][input channels of a group]


def _parse(raw: Any) -> ConvolutionAttributes | None:
    return convolution.parse_convolution(raw, "Conv2DOptionsT")


def _output_shapes(op: Operator) -> tuple[Shape, ...]:
    rows, columns = convolution.require_windows(op)
    return ((op.input(0).shape[0], rows.output, columns.output, op.input(1).shape[_CHANNEL_AXIS]),)


def _check(op: Operator) -> None:
    convolution.require_windows(op)
    rules.require_fused_activation(op, op.attributes.activation)
    input_channels, group_channels = op.input(0).shape[3], op.input(1).shape[3]
    output_channels = op.input(1).shape[_CHANNEL_AXIS]
    require(
        op,
        input_channels % group_channels == 0
        and output_channels % (input_channels // group_channels) == 0,
        "input and output channels must divide into groups, they are "
        f"{input_channels} and {output_channels} with {group_channels} input channels in a group",
    )
    require_weighted_sum(op, _CHANNEL_AXIS)


def _macs(op: Operator) -> int:
    """Output elements x kernel height x kernel width x input channels of a group.

    Taps in the padding count, as in the usual published figures.
    """
    ((batches, height, width, channels),) = _output_shapes(op)
    _, kernel_height, kernel_width, group_channels = op.input(1).shape
    return batches * height * width * channels * kernel_height * kernel_width * group_channels


def _lower(op: Operator) -> Step:
    windows = convolution.require_windows(op)
    constants = require_weighted_sum(op, _CHANNEL_AXIS)
    ungrouped = op.input(0).shape[3] == op.input(1).shape[3]
    if ungrouped and all(w.kernel == 1 and w.stride == 1 for w in windows):
        kernel, params = "fully_connected_s8", _pointwise_params(op, constants)
    else:
        kernel, params = "conv_2d_s8", _conv_params(op, constants)
    return Step(
        (op,),
        (KernelCall(kernel, params, (rules.kernel_input(op.input(0), "input"),), (op.output,)),),
    )


def _pointwise_params(op: Operator, constants: WeightedSum) -> dict[str, FieldValue]:
    """A 1x1 kernel at stride 1 multiplies every pixel by the same matrix."""
    batches, height, width, input_channels = op.input(0).shape
    return constants.fully_connected_params(op, batches * height * width, input_channels)


def _conv_params(op: Operator, constants: WeightedSum) -> dict[str, FieldValue]:
    batches, input_height, input_width, input_channels = op.input(0).shape
    _, output_height, output_width, output_channels = op.output.shape
    _, kernel_height, kernel_width, kernel_channels = op.input(1).shape
    return {
        "batches": batches,
        "input_height": input_height,
        "input_width": input_width,
        "input_channels": input_channels,
        "output_height": output_height,
        "output_width": output_width,
        "output_channels": output_channels,
        "kernel_height": kernel_height,
        "kernel_width": kernel_width,
        "kernel_channels": kernel_channels,
        **convolution.window_params(op),
        **constants.channel_params(constants.bias),
    }


def _draw(rng: np.random.Generator) -> SingleOpCase:
    windows = convolution.draw_windows(rng)
    batches = cases.pick(rng, (1, 1, 1, 2))
    groups = cases.pick(rng, (1, 1, 1, 2, 3))
    group_inputs = cases.pick(rng, (1, 2, 3, 4, 7, 8))
    group_outputs = cases.pick(rng, (1, 2, 3, 4, 5, 8, 9))
    rows, columns = windows.rows, windows.columns
    input_channels, output_channels = groups * group_inputs, groups * group_outputs
    drawn = draw_weighted_sum(
        rng, (output_channels, rows.kernel, columns.kernel, group_inputs), _CHANNEL_AXIS
    )
    model = cases.single_op_model(
        "CONV_2D",
        (
            cases.int8_operand((batches, rows.input, columns.input, input_channels), drawn.input),
            drawn.weights,
            drawn.bias,
        ),
        (
            cases.int8_operand(
                (batches, rows.output, columns.output, output_channels), drawn.output
            ),
        ),
        convolution.fill_options(schema.Conv2DOptionsT(), windows, drawn.activation),
    )
    labels = convolution.draw_labels(windows, batches, input_channels, output_channels)
    grouped = {"grouped"} if groups > 1 else set()
    return SingleOpCase(model, drawn.labels | labels | grouped)


register(
    OperatorDefinition(
        kind="CONV_2D",
        output_shapes=_output_shapes,
        check=_check,
        macs=_macs,
        lower=_lower,
        draw=_draw,
        options=convolution.CONVOLUTION_OPTIONS | {"grouped"},
        parse=_parse,
        windows=convolution.require_windows,
    )
)
