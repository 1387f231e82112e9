"""Rules that several operators share: operands, quantization, activation ranges and windows.

Every `require_*` function raises UnsupportedOperatorError with the op's index and name. Source of
the arithmetic: TensorFlow Lite, `kernels/padding.h` and `kernels/kernel_util.cc`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from pipeline.aot.program import ConstArray, int32_array
from pipeline.fixed_point import quantize_multiplier
from pipeline.graph import DType, Operator, Quantization, Shape, Tensor
from pipeline.ops import require

INT8_MIN, INT8_MAX = -128, 127
LARGEST_RANK = 6  # of TFLM's shapes
LARGEST_WINDOW = 1 << 15
_FACTOR_LIMIT = 1 << 29  # a shift of 30

Attributes = TypeVar("Attributes")


class Activation(Enum):
    """Fused activation; the value is the schema's code."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


FUSED_ACTIVATIONS = (
    Activation.NONE,
    Activation.RELU,
    Activation.RELU6,
    Activation.RELU_N1_TO_1,
)


class Padding(Enum):
    """Padding of a window; the value is the schema's code."""

    SAME = 0
    VALID = 1


# --- operands ----------------------------------------------------------------------------------


def options_of(raw: Any, type_name: str) -> Any | None:
    """`raw` where it is a schema options object of that type ("Conv2DOptionsT"), else None."""
    return raw if type(raw).__name__ == type_name else None


def require_attributes(op: Operator, kind: type[Attributes]) -> Attributes:
    """The op's attributes; refuses a file that carries none, or those of another operator."""
    require(op, isinstance(op.attributes, kind), "its options must be present in the file")
    attributes: Attributes = op.attributes
    return attributes


def require_operands(op: Operator, inputs: Sequence[int], outputs: int = 1) -> None:
    """Refuses a number of inputs that is not in `inputs`, and any other number of outputs."""
    require(
        op,
        len(op.inputs) in inputs and len(op.outputs) == outputs,
        f"it must have {_either(inputs)} input(s) and {outputs} output(s), it has "
        f"{len(op.inputs)} and {len(op.outputs)}",
    )


def require_input(op: Operator, position: int, role: str) -> Tensor:
    """The input at `position`, refused where it is absent; `role` names it ("weights")."""
    tensor = op.optional_input(position)
    require(op, tensor is not None, f"{role} must be present")
    assert tensor is not None
    return tensor


def require_dtype(op: Operator, tensor: Tensor, dtype: DType, role: str) -> None:
    require(op, tensor.dtype is dtype, f"{role} must be {dtype.value}, it is {tensor.dtype.value}")


def require_rank(op: Operator, tensor: Tensor, ranks: Sequence[int], role: str) -> None:
    require(
        op,
        len(tensor.shape) in ranks,
        f"{role} must have {_either(ranks)} dimensions, its shape is {tensor.shape}",
    )


def require_constant(op: Operator, tensor: Tensor, role: str) -> np.ndarray[Any, Any]:
    """The constant's values."""
    require(op, tensor.is_constant, f"{role} must be constant")
    assert tensor.data is not None
    return tensor.data


def require_activation_tensor(op: Operator, tensor: Tensor, role: str) -> None:
    """Takes int8 with one scale and a zero point in -128..127."""
    require_dtype(op, tensor, DType.INT8, role)
    quantization = tensor.quantization
    require(
        op,
        quantization is not None and not quantization.per_channel,
        f"{role} must be quantized per tensor",
    )
    require(
        op,
        INT8_MIN <= tensor.zero_point <= INT8_MAX,
        f"the zero point of {role} must be in -128..127, it is {tensor.zero_point}",
    )


def require_quantized_alike(op: Operator, *inputs: Tensor) -> None:
    """Refuses inputs whose scale or zero point is not the output's, as TFLite's quantization
    specification demands of operators that choose or move values without rescaling them."""
    for tensor in inputs:
        require(
            op,
            (tensor.scale, tensor.zero_point) == (op.output.scale, op.output.zero_point),
            "inputs and output must be quantized alike",
        )


def require_output_shapes(op: Operator, expected: Sequence[Shape]) -> None:
    """Refuses a file whose declared output shapes are not those of the shape rule."""
    declared = tuple(tensor.shape for tensor in op.outputs)
    require(
        op,
        declared == tuple(expected),
        f"its output shape must be {_shapes(expected)}, the file says {_shapes(declared)}",
    )


def require_at_most_rank(op: Operator, tensor: Tensor, rank: int, role: str) -> None:
    require(
        op,
        len(tensor.shape) <= rank,
        f"{role} must have at most {rank} dimensions, its shape is {tensor.shape}",
    )


def kernel_input(tensor: Tensor, name: str) -> Tensor | ConstArray:
    """A tensor as a kernel's input: itself, or an array of that name where it is constant."""
    return tensor if tensor.data is None else ConstArray(name, tensor.data)


def no_macs(_op: Operator) -> int:
    """0: by the convention of TFLite's and MLPerf Tiny's counts, only operators that sum products
    (convolutions, matrix products) have multiply-accumulates; elementwise ones, MUL too, have none.
    """
    return 0


def require_fused_activation(op: Operator, activation: Activation) -> None:
    require(
        op,
        activation in FUSED_ACTIVATIONS,
        f"its fused activation must be {_either(a.name for a in FUSED_ACTIVATIONS)}, it is "
        f"{activation.name}",
    )


def _either(values: Iterable[int | str]) -> str:
    return " or ".join(str(value) for value in values)


def _shapes(shapes: Sequence[Shape]) -> str:
    return ", ".join(str(shape) for shape in shapes)


# --- quantization ------------------------------------------------------------------------------


def activation_range(activation: Activation, scale: float, zero_point: int) -> tuple[int, int]:
    """Lowest and highest int8 value of an output, as TFLite's CalculateActivationRangeQuantized.

    Args:
        activation: one of FUSED_ACTIVATIONS.
        scale: of the output.
        zero_point: of the output, -128..127.
    """
    low, high = INT8_MIN, INT8_MAX
    if activation in (Activation.RELU, Activation.RELU6):
        low = max(low, zero_point)
    if activation is Activation.RELU6:
        high = min(high, zero_point + _round_quotient(6.0, scale))
    if activation is Activation.RELU_N1_TO_1:
        low = max(low, zero_point + _round_quotient(-1.0, scale))
        high = min(high, zero_point + _round_quotient(1.0, scale))
    return low, high


def _round_quotient(value: float, scale: float) -> int:
    """value / scale in float32, rounded half away from zero; magnitudes stop at 2^16."""
    with np.errstate(over="ignore"):
        quotient = float(np.float32(value) / np.float32(scale))
    bounded = min(max(quotient, -65536.0), 65536.0)
    return int(math.copysign(math.floor(abs(bounded) + 0.5), bounded))


@dataclass(frozen=True)
class Requantization:
    """Factors from accumulators to outputs, one per output channel.

    Attributes:
        multipliers: Q0.31.
        shifts: powers of two, a positive one goes left; -31..30.
    """

    multipliers: tuple[int, ...]
    shifts: tuple[int, ...]

    def arrays(self) -> tuple[ConstArray, ConstArray]:
        """The constants "multipliers" (int32) and "shifts" (int8) of a kernel."""
        return (
            int32_array("multipliers", self.multipliers),
            ConstArray("shifts", np.asarray(self.shifts, dtype=np.int8)),
        )


def require_requantization(op: Operator, factors: Sequence[float]) -> Requantization:
    """Fixed-point form of real factors; refuses 2^29 and above."""
    require(
        op,
        all(factor < _FACTOR_LIMIT for factor in factors),
        "the scales of its inputs / its output's must be below 2^29",
    )
    pairs = [quantize_multiplier(factor) for factor in factors]
    return Requantization(tuple(m for m, _ in pairs), tuple(s for _, s in pairs))


def require_weight_scales(
    op: Operator, weights: Tensor, channels: int, channel_axis: int
) -> tuple[float, ...]:
    """One scale per output channel, of weights quantized per tensor or along `channel_axis`.

    Refuses zero points other than 0, and any other number of scales.
    """
    quantization = weights.quantization
    require(op, quantization is not None, "weights must be quantized")
    assert isinstance(quantization, Quantization)
    require(
        op,
        not any(quantization.zero_points),
        "weights must be quantized symmetrically, with zero points of 0",
    )
    if not quantization.per_channel:
        return quantization.scales * channels
    require(
        op,
        quantization.axis == channel_axis and len(quantization.scales) == channels,
        f"weights must have one scale, or {channels} along axis {channel_axis}; they have "
        f"{len(quantization.scales)} along axis {quantization.axis}",
    )
    return quantization.scales


# --- windows -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class WindowAxis:
    """A window sliding along one axis of an image.

    Attributes:
        input: size of the image.
        kernel: number of taps.
        stride: distance of two windows.
        dilation: distance of two taps; 1 where there is only one.
        padding: elements that the first window reaches before the image (with SAME and an odd
            total, one less than the last window reaches behind it).
        output: number of windows; below 1 where the window does not fit.
    """

    input: int
    kernel: int
    stride: int
    dilation: int
    padding: int
    output: int

    @property
    def extent(self) -> int:
        """Elements from the first tap to the last, both included."""
        return (self.kernel - 1) * self.dilation + 1


def window_axis(size: int, kernel: int, stride: int, dilation: int, padding: Padding) -> WindowAxis:
    """The windows along an axis of `size` elements, as TFLite's ComputePaddingHeightWidth.

    All arguments must be at least 1.
    """
    extent = (kernel - 1) * dilation + 1
    if padding is Padding.SAME:
        output = -(-size // stride)
    else:
        output = (size - extent) // stride + 1
    total = max((output - 1) * stride + extent - size, 0)
    return WindowAxis(size, kernel, stride, dilation if kernel > 1 else 1, total // 2, output)


def require_window(
    op: Operator, size: int, kernel: int, stride: int, dilation: int, padding: Padding
) -> WindowAxis:
    """`window_axis` of attributes that a file gives; refuses what the kernels cannot slide."""
    require(
        op,
        min(kernel, stride, dilation) >= 1,
        f"kernel, stride and dilation must be at least 1, they are {kernel}, {stride}, {dilation}",
    )
    window = window_axis(size, kernel, stride, dilation, padding)
    require(
        op,
        window.extent <= LARGEST_WINDOW,
        f"a window must span at most {LARGEST_WINDOW} elements, it spans {window.extent}",
    )
    require(
        op,
        window.output >= 1,
        f"with VALID padding the window ({window.extent} elements) must fit the input ({size})",
    )
    return window
