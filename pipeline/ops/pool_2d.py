"""MAX_POOL_2D and AVERAGE_POOL_2D: one value of each channel per window."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import KernelCall, Step
from pipeline.graph import Operator, Quantization, Shape
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.rules import Activation, Padding, WindowAxis

_KERNELS = {"MAX_POOL_2D": "max_pool_2d_s8", "AVERAGE_POOL_2D": "average_pool_2d_s8"}
_LARGEST_SCALE_DIFFERENCE = 1e-6  # as TensorFlow Lite Micro has it; the input's scale is not used
_LARGEST_WINDOW_ELEMENTS = 1 << 23  # 128 times as much fits 31 bits


@dataclass(frozen=True)
class Pool2DAttributes:
    """Attributes of MAX_POOL_2D and AVERAGE_POOL_2D."""

    kernel_height: int
    kernel_width: int
    stride_height: int
    stride_width: int
    padding: Padding
    activation: Activation


def _parse(raw: Any) -> Pool2DAttributes | None:
    options = rules.options_of(raw, "Pool2DOptionsT")
    if options is None:
        return None
    return Pool2DAttributes(
        kernel_height=int(options.filterHeight),
        kernel_width=int(options.filterWidth),
        stride_height=int(options.strideH),
        stride_width=int(options.strideW),
        padding=Padding(options.padding),
        activation=Activation(options.fusedActivationFunction),
    )


def _require_windows(op: Operator) -> tuple[WindowAxis, WindowAxis]:
    """The windows along height and width."""
    a = rules.require_attributes(op, Pool2DAttributes)
    rules.require_operands(op, (1,))
    image = rules.require_input(op, 0, "input")
    rules.require_rank(op, image, (4,), "input")
    _, height, width, _ = image.shape
    return (
        rules.require_window(op, height, a.kernel_height, a.stride_height, 1, a.padding),
        rules.require_window(op, width, a.kernel_width, a.stride_width, 1, a.padding),
    )


def _output_shapes(op: Operator) -> tuple[Shape, ...]:
    rows, columns = _require_windows(op)
    batches, _, _, channels = op.input(0).shape
    return ((batches, rows.output, columns.output, channels),)


def _check(op: Operator) -> None:
    rows, columns = _require_windows(op)
    rules.require_fused_activation(op, op.attributes.activation)
    image = op.input(0)
    rules.require_activation_tensor(op, image, "input")
    rules.require_activation_tensor(op, op.output, "output")
    difference = abs(float(np.float32(image.scale) - np.float32(op.output.scale)))
    require(
        op,
        difference <= _LARGEST_SCALE_DIFFERENCE and image.zero_point == op.output.zero_point,
        "input and output must be quantized alike",
    )
    require(
        op,
        min(rows.kernel, rows.input) * min(columns.kernel, columns.input)
        <= _LARGEST_WINDOW_ELEMENTS,
        f"a window must contain at most {_LARGEST_WINDOW_ELEMENTS} elements",
    )


def _lower(op: Operator) -> Step:
    rows, columns = _require_windows(op)
    output = op.output
    batches, input_height, input_width, channels = op.input(0).shape
    low, high = rules.activation_range(op.attributes.activation, output.scale, output.zero_point)
    params = {
        "batches": batches,
        "input_height": input_height,
        "input_width": input_width,
        "channels": channels,
        "output_height": rows.output,
        "output_width": columns.output,
        "kernel_height": rows.kernel,
        "kernel_width": columns.kernel,
        "stride_height": rows.stride,
        "stride_width": columns.stride,
        "padding_top": rows.padding,
        "padding_left": columns.padding,
        "output_low": low,
        "output_high": high,
    }
    return Step(
        (op,),
        (
            KernelCall(
                _KERNELS[op.kind], params, (rules.kernel_input(op.input(0), "input"),), (output,)
            ),
        ),
    )


_OPTIONS = (
    cases.WINDOW_OPTIONS
    | cases.zero_point_options("input")
    | {f"fused {activation.name}" for activation in rules.FUSED_ACTIVATIONS}
    | {"one channel", "odd channels", "batch above 1", "whole image"}
)


def _draw(kind: str, rng: np.random.Generator) -> SingleOpCase:
    windows = cases.draw_windows(rng)
    rows, columns = windows.rows, windows.columns
    if cases.chance(rng, 0.1):
        rows, columns = _whole(rows), _whole(columns)
    batches, channels = cases.pick(rng, (1, 1, 1, 2)), cases.pick(rng, (1, 2, 3, 4, 7, 16))
    activation = cases.pick(rng, rules.FUSED_ACTIVATIONS)
    zero_point = cases.draw_zero_point(rng)
    if activation in (Activation.RELU, Activation.RELU6) and zero_point > 100:
        zero_point = 0  # the output would be constant
    quantization = Quantization((cases.draw_scale(rng, 0.01, 0.2),), (zero_point,))
    options = schema.Pool2DOptionsT()
    options.filterHeight, options.filterWidth = rows.kernel, columns.kernel
    options.strideH, options.strideW = rows.stride, columns.stride
    options.padding = windows.padding.value
    options.fusedActivationFunction = activation.value
    model = cases.single_op_model(
        kind,
        (cases.int8_operand((batches, rows.input, columns.input, channels), quantization),),
        (cases.int8_operand((batches, rows.output, columns.output, channels), quantization),),
        options,
    )
    found = {
        "one channel": channels == 1,
        "odd channels": channels % 2 == 1,
        "batch above 1": batches > 1,
        "whole image": rows.kernel == rows.input and columns.kernel == columns.input,
    }
    labels = {label for label, holds in found.items() if holds}
    labels |= {f"fused {activation.name}", *cases.zero_point_labels("input", zero_point)}
    return SingleOpCase(model, cases.WindowDraw(rows, columns, windows.padding).labels | labels)


def _whole(axis: WindowAxis) -> WindowAxis:
    """One window over the whole axis (SAME or VALID alike): global pooling."""
    return rules.window_axis(axis.input, axis.input, axis.input, 1, Padding.SAME)


for _kind in _KERNELS:
    register(
        OperatorDefinition(
            kind=_kind,
            output_shapes=_output_shapes,
            check=_check,
            macs=rules.no_macs,
            lower=_lower,
            draw=functools.partial(_draw, _kind),
            options=_OPTIONS,
            parse=_parse,
            windows=_require_windows,
        )
    )
