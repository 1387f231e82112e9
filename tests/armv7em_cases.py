"""Random portable kernel calls whose outputs use the whole of int8."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from canary_image import activation
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, int32_array
from pipeline.fixed_point import quantize_multiplier
from pipeline.ops.softmax import softmax_call as call_of_softmax

_INT8_DEVIATION = 73.9  # standard deviation of uniform int8


def channel_params(
    rng: np.random.Generator,
    rows: npt.NDArray[np.int8],
    zero_point: int,
    input_zero_point: int = 0,
) -> dict[str, FieldValue]:
    """bias, multipliers and shifts of output channels with the weights rows (channels, inputs).

    Args:
        zero_point: of the output.
        input_zero_point: where the kernel subtracts it itself.
    """
    weights = rows.astype(np.float64)
    spread = _INT8_DEVIATION * np.sqrt((weights**2).sum(axis=1)) + 1
    factors = (
        rng.uniform(20, 60) / spread * 2.0 ** rng.uniform(-rng.choice([0, 1, 3]), 0, len(rows))
    )
    quantized = [quantize_multiplier(min(float(f), 0.99)) for f in factors]
    centre = (0.5 + input_zero_point) * weights.sum(axis=1)
    if zero_point == -128:
        centre += spread * 0.5
    bias = np.round(centre + rng.normal(0, 0.5, len(rows)) * spread)
    return {
        "bias": int32_array("bias", bias.astype(np.int32)),
        "multipliers": int32_array("multipliers", [m for m, _ in quantized]),
        "shifts": ConstArray("shifts", np.array([s for _, s in quantized], np.int8)),
    }


def draw_weights(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """Uniform, small or extreme int8 above -128."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.choice(np.array([-127, 127], np.int8), shape)
    if kind == 1:
        return np.clip(np.round(rng.normal(0, 20, shape)), -127, 127).astype(np.int8)
    return rng.integers(-127, 128, shape).astype(np.int8)


def matrix_call(
    rng: np.random.Generator, rows: int, inputs: int, outputs: int, zero_point: int
) -> KernelCall:
    """fully_connected_s8."""
    weights = draw_weights(rng, (outputs, inputs))
    return KernelCall(
        "fully_connected_s8",
        {
            "rows": rows,
            "input_size": inputs,
            "output_size": outputs,
            "output_zero_point": zero_point,
            "output_low": -128,
            "output_high": 127,
            "weights": ConstArray("weights", weights),
            **channel_params(rng, weights, zero_point),
        },
        (activation(rows, inputs),),
        (activation(rows, outputs),),
    )


def zero_point(rng: np.random.Generator) -> int:
    """Of an output: half of them -128, as after ReLU; both ends of int8."""
    return int(rng.choice([-128, -128, -128, 0, 127, -5, 77]))


@dataclass(frozen=True)
class Window:
    """A convolution's window along one axis."""

    input: int
    kernel: int
    stride: int
    same: bool
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Elements from the first tap to the last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def output(self) -> int:
        reach = self.input if self.same else self.input - self.reach + 1
        return -(-reach // self.stride)

    @property
    def padding(self) -> int:
        """Before the image; SAME puts the odd one behind it."""
        if not self.same:
            return 0
        return max(0, (self.output - 1) * self.stride + self.reach - self.input) // 2


def window_params(
    rows: Window, columns: Window, zero_points: tuple[int, int]
) -> dict[str, FieldValue]:
    """Fields that conv_2d_s8 and depthwise_conv_2d_s8 share; zero points of input and output."""
    return {
        "stride_height": rows.stride,
        "stride_width": columns.stride,
        "dilation_height": rows.dilation,
        "dilation_width": columns.dilation,
        "padding_top": rows.padding,
        "padding_left": columns.padding,
        "input_zero_point": zero_points[0],
        "output_zero_point": zero_points[1],
        "output_low": -128,
        "output_high": 127,
    }


def conv_call(
    rng: np.random.Generator,
    rows: Window,
    columns: Window,
    channels: tuple[int, int],
    zero_points: tuple[int, int],
    batches: int = 1,
) -> KernelCall:
    """conv_2d_s8; channels and zero points of input and output."""
    inputs, outputs = channels
    weights = draw_weights(rng, (outputs, rows.kernel, columns.kernel, inputs))
    flat = weights.reshape(outputs, -1)
    return KernelCall(
        "conv_2d_s8",
        {
            "batches": batches,
            "input_height": rows.input,
            "input_width": columns.input,
            "input_channels": inputs,
            "output_height": rows.output,
            "output_width": columns.output,
            "output_channels": outputs,
            "kernel_height": rows.kernel,
            "kernel_width": columns.kernel,
            "kernel_channels": inputs,
            **window_params(rows, columns, zero_points),
            "weights": ConstArray("weights", weights),
            **channel_params(rng, flat, zero_points[1], zero_points[0]),
        },
        (activation(batches, rows.input, columns.input, inputs),),
        (activation(batches, rows.output, columns.output, outputs),),
    )


def depthwise_call(
    rng: np.random.Generator,
    rows: Window,
    columns: Window,
    channels: tuple[int, int],
    zero_points: tuple[int, int],
    batches: int = 1,
) -> KernelCall:
    """depthwise_conv_2d_s8; channels are the input's and the depth multiplier."""
    inputs, multiplier = channels
    weights = draw_weights(rng, (rows.kernel, columns.kernel, inputs * multiplier))
    flat = np.moveaxis(weights, 2, 0).reshape(inputs * multiplier, -1)
    return KernelCall(
        "depthwise_conv_2d_s8",
        {
            "batches": batches,
            "input_height": rows.input,
            "input_width": columns.input,
            "input_channels": inputs,
            "output_height": rows.output,
            "output_width": columns.output,
            "depth_multiplier": multiplier,
            "kernel_height": rows.kernel,
            "kernel_width": columns.kernel,
            **window_params(rows, columns, zero_points),
            "weights": ConstArray("weights", weights),
            **channel_params(rng, flat, zero_points[1], zero_points[0]),
        },
        (activation(batches, rows.input, columns.input, inputs),),
        (activation(batches, rows.output, columns.output, inputs * multiplier),),
    )


def max_pool_call(
    rows: Window, columns: Window, channels: int, low: int, batches: int = 1
) -> KernelCall:
    """max_pool_2d_s8; low is the smallest output."""
    return KernelCall(
        "max_pool_2d_s8",
        {
            "batches": batches,
            "input_height": rows.input,
            "input_width": columns.input,
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
            "output_high": 127,
        },
        (activation(batches, rows.input, columns.input, channels),),
        (activation(batches, rows.output, columns.output, channels),),
    )


def add_call(rng: np.random.Generator, count: int, zero_points: tuple[int, int, int]) -> KernelCall:
    """add_s8 of two tensors of `count` elements; zero points of inputs and output."""
    scales = rng.uniform(0.01, 0.2, 2)
    result = rng.uniform(0.6, 1.6) * max(scales)
    twice = 2 * max(scales)
    first, second = (quantize_multiplier(float(scale / twice)) for scale in scales)
    output = quantize_multiplier(float(twice / ((1 << 20) * result)))
    return KernelCall(
        "add_s8",
        {
            **_flat_loops(count),
            "input1_zero_point": zero_points[0],
            "input1_multiplier": first[0],
            "input1_shift": first[1],
            "input2_zero_point": zero_points[1],
            "input2_multiplier": second[0],
            "input2_shift": second[1],
            "output_zero_point": zero_points[2],
            "output_multiplier": output[0],
            "output_shift": output[1],
            "activation_min": -128,
            "activation_max": 127,
        },
        (activation(count), activation(count)),
        (activation(count),),
    )


def mul_call(
    rng: np.random.Generator, outer: int, inner: int, zero_points: tuple[int, int, int]
) -> KernelCall:
    """mul_s8 of (outer, inner) and (1, inner); zero points of inputs and output."""
    multiplier, shift = quantize_multiplier(float(2.0 ** rng.uniform(-9, -6)))
    return KernelCall(
        "mul_s8",
        {
            **_flat_loops(inner),
            "outer_loops": 1,
            "extents": int32_array("extents", [outer]),
            "input1_jumps": int32_array("input1_jumps", [0]),
            "input2_jumps": int32_array("input2_jumps", [-inner]),
            "input1_zero_point": zero_points[0],
            "input2_zero_point": zero_points[1],
            "output_zero_point": zero_points[2],
            "output_multiplier": multiplier,
            "output_shift": shift,
            "activation_min": -128,
            "activation_max": 127,
        },
        (activation(outer, inner), activation(1, inner)),
        (activation(outer, inner),),
    )


def _flat_loops(inner: int) -> dict[str, FieldValue]:
    return {
        "inner": inner,
        "input1_step": 1,
        "input2_step": 1,
        "outer_loops": 0,
        "extents": None,
        "input1_jumps": None,
        "input2_jumps": None,
    }


def average_pool_call(
    rows: Window, columns: Window, channels: int, low: int, batches: int = 1
) -> KernelCall:
    """average_pool_2d_s8; its parameters are those of max_pool_2d_s8."""
    return replace(
        max_pool_call(rows, columns, channels, low, batches), kernel="average_pool_2d_s8"
    )


def mean_call(rng: np.random.Generator, shape: tuple[int, int, int], zero_point: int) -> KernelCall:
    """mean_s8 over the middle of (outer, elements, channels); zero point of input and output."""
    outer, count, channels = shape
    multiplier, shift = quantize_multiplier(float(rng.uniform(0.5, 2.0) / count))
    return KernelCall(
        "mean_s8",
        {
            "kept_0": outer,
            "reduced_0": 1,
            "kept_1": 1,
            "reduced_1": count,
            "kept_2": channels,
            "zero_point_sum": zero_point * count,
            "multiplier": multiplier,
            "shift": shift,
            "output_zero_point": zero_point,
        },
        (activation(*shape),),
        (activation(outer, channels),),
    )


def softmax_call(rng: np.random.Generator, rows: int, depth: int) -> KernelCall:
    """softmax_s8 of (rows, depth) at a scale of 2^-11 to 2."""
    factor = float(2.0 ** rng.uniform(-11, 1)) * (1 << 26)
    source, output = activation(rows, depth), activation(rows, depth)
    return call_of_softmax((rows, depth), factor, source, output)
