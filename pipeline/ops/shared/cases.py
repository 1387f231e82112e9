"""Random draws that several operators share to build single-operator models for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.graph import DType, Quantization, Shape
from pipeline.ops.shared.rules import INT8_MAX, INT8_MIN, Padding, WindowAxis, window_axis
from pipeline.tflite_writer import TfliteWriter

Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Operand:
    """A tensor of the model to be written; a constant where `data` is given."""

    shape: Shape
    dtype: DType
    quantization: Quantization | None = None
    data: npt.NDArray[Any] | None = None


def single_op_model(
    kind: str,
    inputs: Sequence[Operand | None],
    outputs: Sequence[Operand],
    options: Any = None,
    version: int = 1,
) -> bytes:
    """A .tflite file with one operator, whose activations are the model's inputs in order.

    Args:
        inputs: operands in TFLite's order, None for an absent optional one. An Operand object
            that occurs twice is one tensor.
        options: object-API options (`schema.Conv2DOptionsT()`), or None.
    """
    writer = TfliteWriter()
    indices: dict[Operand, int] = {}
    for operand in (*inputs, *outputs):
        if operand is not None and operand not in indices:
            indices[operand] = writer.tensor(
                operand.shape, operand.dtype, operand.quantization, operand.data
            )
    result = [indices[operand] for operand in outputs]
    writer.operator(
        kind, [-1 if o is None else indices[o] for o in inputs], result, options, version
    )
    fed = dict.fromkeys(indices[o] for o in inputs if o is not None and o.data is None)
    return writer.build(list(fed), result)


def chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def pick(rng: np.random.Generator, values: Sequence[Value]) -> Value:
    """One of `values`, all equally likely, with its own type kept."""
    return values[int(rng.integers(len(values)))]


def between(rng: np.random.Generator, low: int, high: int) -> int:
    """An integer in low..high, both included."""
    return int(rng.integers(low, high + 1))


def float32(value: float) -> float:
    """The nearest float32, as a file stores a scale."""
    return float(np.float32(value))


def draw_scale(rng: np.random.Generator, low: float = 1e-3, high: float = 0.5) -> float:
    """A float32 whose logarithm is uniform between those of `low` and `high`."""
    return float32(float(np.exp(rng.uniform(np.log(low), np.log(high)))))


def draw_zero_point(rng: np.random.Generator) -> int:
    """-128, 127 or 0, a quarter each, otherwise any int8."""
    return pick(rng, (INT8_MIN, INT8_MAX, 0, between(rng, INT8_MIN, INT8_MAX)))


def draw_quantization(rng: np.random.Generator) -> Quantization:
    """Per-tensor quantization of an int8 activation."""
    return Quantization((draw_scale(rng),), (draw_zero_point(rng),))


def draw_int8(rng: np.random.Generator, shape: Shape) -> npt.NDArray[np.int8]:
    """Uniform int8, from -128 to 127."""
    return rng.integers(INT8_MIN, INT8_MAX + 1, shape).astype(np.int8)


def int8_operand(shape: Shape, quantization: Quantization) -> Operand:
    """An int8 activation."""
    return Operand(shape, DType.INT8, quantization)


def zero_point_labels(role: str, zero_point: int) -> frozenset[str]:
    """{"<role> zero point -128"} or {"<role> zero point 127"} at the ends, else nothing."""
    if zero_point in (INT8_MIN, INT8_MAX):
        return frozenset({f"{role} zero point {zero_point}"})
    return frozenset()


def zero_point_options(*roles: str) -> frozenset[str]:
    """All labels that `zero_point_labels` gives for the roles."""
    return frozenset(f"{role} zero point {end}" for role in roles for end in (INT8_MIN, INT8_MAX))


WINDOW_OPTIONS = frozenset(
    {"SAME", "VALID", "asymmetric SAME", "stride above 1", "wide image", "1x1 kernel"}
)


@dataclass(frozen=True)
class WindowDraw:
    """Random windows over a random image; image and output sizes are in the axes."""

    rows: WindowAxis
    columns: WindowAxis
    padding: Padding

    @property
    def labels(self) -> frozenset[str]:
        """Those of WINDOW_OPTIONS that the draw exercises."""
        axes = (self.rows, self.columns)
        same = self.padding is Padding.SAME
        found = {
            self.padding.name: True,
            "asymmetric SAME": same and any(_behind(a) > a.padding for a in axes),
            "stride above 1": any(a.stride > 1 for a in axes),
            "wide image": self.columns.input > 8 * self.rows.input,
            "1x1 kernel": all(a.kernel == 1 for a in axes),
        }
        return frozenset(label for label, holds in found.items() if holds)


def _behind(axis: WindowAxis) -> int:
    """Elements that the last window reaches behind the image."""
    return (axis.output - 1) * axis.stride + axis.extent - axis.padding - axis.input


def draw_windows(rng: np.random.Generator, largest_dilation: int = 1) -> WindowDraw:
    """Draws image size, kernel, stride, dilation and padding such that VALID windows fit."""
    height, width = between(rng, 1, 9), between(rng, 1, 9)
    largest_kernel = 1 if chance(rng, 0.15) else 5
    if chance(rng, 0.15):
        height, width = between(rng, 1, 2), between(rng, 17, 40)
    padding = pick(rng, (Padding.SAME, Padding.VALID))
    axes = []
    for size in (height, width):
        kernel, stride = between(rng, 1, largest_kernel), pick(rng, (1, 1, 2, 3))
        dilation = between(rng, 1, largest_dilation)
        if padding is Padding.VALID:
            kernel = min(kernel, (size - 1) // dilation + 1)
        axes.append(window_axis(size, kernel, stride, dilation, padding))
    return WindowDraw(axes[0], axes[1], padding)
