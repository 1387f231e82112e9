"""What CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV and FULLY_CONNECTED share: int8 products summed
per channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.aot.program import ConstArray, FieldValue, int32_array
from pipeline.fixed_point import INT32_MAX
from pipeline.graph import DType, Operator, Quantization, Shape
from pipeline.ops import require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.cases import Operand
from pipeline.ops.shared.rules import Activation, Requantization

# |x - zero point| <= 255; 256 bounds the partial sums of a kernel that folds the zero point into
# the bias, too.
_LARGEST_STEP = 256
_INT8_DEVIATION = 73.9  # standard deviation of uniform int8


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """The checked constants of an operator with an activation, weights and an optional bias.

    Attributes:
        weights: int8, with the shape of the file.
        bias: int64, (output channels,); zeros where the file has none.
        weight_sums: int64, (output channels,).
        requantization: of input scale x weight scale / output scale, per output channel.
    """

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int64]
    weight_sums: npt.NDArray[np.int64]
    requantization: Requantization

    def channel_params(self, bias: npt.NDArray[np.int64]) -> dict[str, FieldValue]:
        """The last fields of the kernels' parameters."""
        multipliers, shifts = self.requantization.arrays()
        return {
            "weights": ConstArray("weights", self.weights),
            "bias": int32_array("bias", bias),
            "multipliers": multipliers,
            "shifts": shifts,
        }

    def fully_connected_params(
        self, op: Operator, rows: int, input_size: int
    ) -> dict[str, FieldValue]:
        """Parameters of fully_connected_s8, with the input's zero point in the bias."""
        output = op.output
        low, high = rules.activation_range(
            op.attributes.activation, output.scale, output.zero_point
        )
        return {
            "rows": rows,
            "input_size": input_size,
            "output_size": self.bias.size,
            "output_zero_point": output.zero_point,
            "output_low": low,
            "output_high": high,
            **self.channel_params(self.bias - op.input(0).zero_point * self.weight_sums),
        }


def require_weighted_sum(
    op: Operator,
    channel_axis: int,
    single_precision_product: bool = False,
    positions: tuple[int, int, int] = (0, 1, 2),
) -> WeightedSum:
    """Checks types, quantization and accumulator range; operand count and ranks come before.

    Args:
        channel_axis: of the output channels in the weights.
        single_precision_product: multiplies the two scales in float32, as FULLY_CONNECTED does
            where its weights are quantized per tensor (TensorFlow Lite,
            GetQuantizedConvolutionMultipler).
        positions: of activation, weights and bias among the inputs.
    """
    image = rules.require_input(op, positions[0], "input")
    weights = rules.require_input(op, positions[1], "weights")
    rules.require_activation_tensor(op, image, "input")
    rules.require_activation_tensor(op, op.output, "output")
    rules.require_dtype(op, weights, DType.INT8, "weights")
    values = rules.require_constant(op, weights, "weights")
    channels = weights.shape[channel_axis]
    scales = rules.require_weight_scales(op, weights, channels, channel_axis)
    products = [image.scale * scale for scale in scales]
    if single_precision_product:
        with np.errstate(over="ignore"):  # an infinite factor is refused below
            products = [float(np.float32(image.scale) * np.float32(scale)) for scale in scales]
    bias = _require_bias(op, positions[2], channels)
    rows = np.moveaxis(values, channel_axis, 0).reshape(channels, -1).astype(np.int64)
    largest = np.abs(rows).sum(axis=1) * _LARGEST_STEP + np.abs(bias)
    require(
        op,
        int(largest.max()) <= INT32_MAX,
        "256 x sum of |weights| + |bias| of a channel must fit 31 bits",
    )
    factors = [product / op.output.scale for product in products]
    return WeightedSum(values, bias, rows.sum(axis=1), rules.require_requantization(op, factors))


def _require_bias(op: Operator, position: int, channels: int) -> npt.NDArray[np.int64]:
    bias = op.optional_input(position)
    if bias is None:
        return np.zeros(channels, np.int64)
    rules.require_dtype(op, bias, DType.INT32, "bias")
    values = rules.require_constant(op, bias, "bias")
    require(op, bias.size == channels, f"bias must have {channels} values, it has {bias.size}")
    return values.ravel().astype(np.int64)


# --- random cases ------------------------------------------------------------------------------

WEIGHTED_SUM_OPTIONS = frozenset(
    {
        "per-tensor",
        "per-channel",
        "bias",
        "no bias",
        "left shift",
        "weight -128",
        "dead channel",
        *(f"fused {activation.name}" for activation in rules.FUSED_ACTIVATIONS),
    }
) | cases.zero_point_options("input", "output")


@dataclass(frozen=True, eq=False)
class WeightedSumDraw:
    """Random quantization, weights and bias that put the outputs into the middle of int8."""

    input: Quantization
    output: Quantization
    activation: Activation
    weights: Operand
    bias: Operand | None
    labels: frozenset[str]


def draw_weighted_sum(
    rng: np.random.Generator, weights_shape: Shape, channel_axis: int
) -> WeightedSumDraw:
    """Draws constants for weights of a shape whose output channels are at `channel_axis`."""
    channels = weights_shape[channel_axis]
    left_shift, per_channel = cases.chance(rng, 0.15), channels > 1 and cases.chance(rng, 0.6)
    values = cases.draw_int8(rng, weights_shape)
    if left_shift:
        values = rng.integers(-2, 3, weights_shape).astype(np.int8)
    rows = np.moveaxis(values, channel_axis, 0).reshape(channels, -1).astype(np.float64)
    dead = per_channel and cases.chance(rng, 0.2)
    if dead:  # a filter of zeros, as training leaves it behind
        np.moveaxis(values, channel_axis, 0)[0] = rows[0] = 0
    spreads = _INT8_DEVIATION * np.sqrt((rows**2).sum(axis=1)) + 1.0
    factors = rng.uniform(1.0, 6.0, channels) if left_shift else rng.uniform(20, 80) / spreads
    if dead:
        factors[0] = 10.0 ** rng.uniform(-9.0, -5.0)
    if not per_channel:
        factors = np.array([np.median(factors)])
    activation = cases.pick(rng, rules.FUSED_ACTIVATIONS)
    source, result = cases.draw_quantization(rng), _draw_output(rng, activation)
    scales = tuple(cases.float32(f * result.scales[0] / source.scales[0]) for f in factors)
    zero_points = (0,) * len(scales)
    bias = None
    if cases.chance(rng, 0.8):
        bias_scales = tuple(cases.float32(source.scales[0] * scale) for scale in scales)
        data = _draw_bias(rng, rows, source.zero_points[0], spreads)
        if dead:
            data[0] = rng.integers(1 - (1 << 31), 1 << 31)
        bias = Operand((channels,), DType.INT32, Quantization(bias_scales, zero_points), data)
    quantization = Quantization(scales, zero_points, channel_axis)
    found = {
        "per-channel": per_channel,
        "per-tensor": not per_channel,
        "bias": bias is not None,
        "no bias": bias is None,
        "left shift": bool(max(factors) >= 1.0),
        "weight -128": bool((values == rules.INT8_MIN).any()),
        "dead channel": dead,
        f"fused {activation.name}": True,
    }
    return WeightedSumDraw(
        input=source,
        output=result,
        activation=activation,
        weights=Operand(weights_shape, DType.INT8, quantization, values),
        bias=bias,
        labels=frozenset(label for label, holds in found.items() if holds)
        | cases.zero_point_labels("input", source.zero_points[0])
        | cases.zero_point_labels("output", result.zero_points[0]),
    )


def _draw_bias(
    rng: np.random.Generator,
    rows: npt.NDArray[np.float64],
    input_zero_point: int,
    spreads: npt.NDArray[np.float64],
) -> npt.NDArray[np.int32]:
    """Around minus the mean of the sums, so that unbalanced weights do not saturate the output."""
    centre = (input_zero_point + 0.5) * rows.sum(axis=1)
    drawn = np.round(centre + rng.normal(0.0, 0.5, len(rows)) * spreads)
    return np.asarray(drawn, dtype=np.int32)


def _draw_output(rng: np.random.Generator, activation: Activation) -> Quantization:
    """A zero point of 127 is left out where it would make the output constant."""
    zero_point = cases.draw_zero_point(rng)
    if activation in (Activation.RELU, Activation.RELU6) and zero_point > 100:
        zero_point = rules.INT8_MIN
    return Quantization((cases.draw_scale(rng, 0.01, 0.2),), (zero_point,))
