"""What CONV_2D and DEPTHWISE_CONV_2D share: attributes, windows and random cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.aot.program import FieldValue
from pipeline.fixed_point import INT32_MAX
from pipeline.graph import Operator
from pipeline.ops import require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.cases import WindowDraw
from pipeline.ops.shared.rules import Activation, Padding, WindowAxis
from pipeline.ops.shared.weighted_sum import WEIGHTED_SUM_OPTIONS


@dataclass(frozen=True)
class ConvolutionAttributes:
    """Attributes of CONV_2D and, with the depth multiplier, of DEPTHWISE_CONV_2D."""

    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    padding: Padding
    activation: Activation
    depth_multiplier: int = 1


def parse_convolution(raw: Any, type_name: str) -> ConvolutionAttributes | None:
    """Typed attributes from a schema options object; None where it is absent or of another type."""
    options = rules.options_of(raw, type_name)
    if options is None:
        return None
    return ConvolutionAttributes(
        stride_height=int(options.strideH),
        stride_width=int(options.strideW),
        dilation_height=int(options.dilationHFactor),
        dilation_width=int(options.dilationWFactor),
        padding=Padding(options.padding),
        activation=Activation(options.fusedActivationFunction),
        depth_multiplier=int(getattr(options, "depthMultiplier", 1)),
    )


def require_windows(op: Operator) -> tuple[WindowAxis, WindowAxis]:
    """The windows along height and width of a convolution with 4-D NHWC input and weights."""
    a = rules.require_attributes(op, ConvolutionAttributes)
    rules.require_operands(op, (2, 3))
    image = rules.require_input(op, 0, "input")
    weights = rules.require_input(op, 1, "weights")
    rules.require_rank(op, image, (4,), "input")
    rules.require_rank(op, weights, (4,), "weights")
    _, height, width, channels = image.shape
    _, kernel_height, kernel_width, _ = weights.shape
    rows = rules.require_window(
        op, height, kernel_height, a.stride_height, a.dilation_height, a.padding
    )
    columns = rules.require_window(
        op, width, kernel_width, a.stride_width, a.dilation_width, a.padding
    )
    require(
        op,
        max(rows.extent * width, columns.extent) * channels <= INT32_MAX,
        "a window must span less than 2^31 bytes of the input",
    )
    return rows, columns


def window_params(op: Operator) -> dict[str, FieldValue]:
    """The fields between the shapes and the constants of the two convolution kernels."""
    rows, columns = require_windows(op)
    output = op.output
    low, high = rules.activation_range(op.attributes.activation, output.scale, output.zero_point)
    return {
        "stride_height": rows.stride,
        "stride_width": columns.stride,
        "dilation_height": rows.dilation,
        "dilation_width": columns.dilation,
        "padding_top": rows.padding,
        "padding_left": columns.padding,
        "input_zero_point": op.input(0).zero_point,
        "output_zero_point": output.zero_point,
        "output_low": low,
        "output_high": high,
    }


CONVOLUTION_OPTIONS = (
    WEIGHTED_SUM_OPTIONS
    | cases.WINDOW_OPTIONS
    | {"dilation above 1", "one input channel", "odd channels", "batch above 1"}
)


def draw_windows(rng: np.random.Generator) -> WindowDraw:
    """Windows of a convolution; dilated in a third of the cases."""
    return cases.draw_windows(rng, largest_dilation=3 if cases.chance(rng, 0.35) else 1)


def fill_options(options: Any, windows: WindowDraw, activation: Activation) -> Any:
    """Writes the drawn attributes into a schema options object."""
    rows, columns = windows.rows, windows.columns
    options.strideH, options.strideW = rows.stride, columns.stride
    options.dilationHFactor, options.dilationWFactor = rows.dilation, columns.dilation
    options.padding = windows.padding.value
    options.fusedActivationFunction = activation.value
    return options


def draw_labels(
    windows: WindowDraw, batches: int, input_channels: int, output_channels: int
) -> frozenset[str]:
    """Those of CONVOLUTION_OPTIONS that come from shapes and windows."""
    found = {
        "dilation above 1": max(windows.rows.dilation, windows.columns.dilation) > 1,
        "one input channel": input_channels == 1,
        "odd channels": output_channels % 2 == 1,
        "batch above 1": batches > 1,
    }
    return windows.labels | {label for label, holds in found.items() if holds}
