"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR: an image of another height and width.

Source of the arithmetic: TensorFlow Lite, `kernels/internal/reference/resize_nearest_neighbor.h`,
in single precision, and `kernels/internal/reference/resize_bilinear.h`, in integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import ConstArray, FieldValue, KernelCall, Step
from pipeline.fixed_point import INT32_MAX
from pipeline.graph import DType, Operator, Shape
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.cases import Operand
from pipeline.ops.shared.strided_copy import StridedAxis, strided_copy_step

_FRACTION_BITS = 10  # of a position between two pixels, in RESIZE_BILINEAR
_LARGEST_SIZE = 1 << 16  # rows and columns are counted in 16 bits, and exactly in single precision


@dataclass(frozen=True)
class ResizeAttributes:
    """Attributes of both operators.

    Attributes:
        align_corners: the centres of the corner pixels coincide.
        half_pixel_centers: a pixel's value is that of its centre, not of its corner.
    """

    align_corners: bool
    half_pixel_centers: bool


def _parse(raw: Any, type_name: str) -> ResizeAttributes | None:
    options = rules.options_of(raw, type_name)
    if options is None:
        return None
    return ResizeAttributes(bool(options.alignCorners), bool(options.halfPixelCenters))


def _output_shapes(op: Operator) -> tuple[Shape]:
    rules.require_operands(op, (2,))
    rules.require_attributes(op, ResizeAttributes)
    image = rules.require_input(op, 0, "input")
    size = rules.require_input(op, 1, "size")
    rules.require_rank(op, image, (4,), "input")
    rules.require_dtype(op, size, DType.INT32, "size")
    values = tuple(int(value) for value in rules.require_constant(op, size, "size").ravel())
    require(
        op,
        size.shape == (2,) and min(values) >= 1,
        f"the size must be a height and a width of at least 1, it is {values}",
    )
    return ((image.shape[0], *values, image.shape[3]),)


def _require_images(op: Operator) -> None:
    rules.require_output_shapes(op, _output_shapes(op))
    image = op.input(0)
    rules.require_activation_tensor(op, image, "input")
    rules.require_activation_tensor(op, op.output, "output")
    rules.require_quantized_alike(op, image)
    require(
        op,
        max(*image.shape[1:3], *op.output.shape[1:3]) <= _LARGEST_SIZE,
        f"height and width must be at most {_LARGEST_SIZE}",
    )


def _sizes(op: Operator) -> tuple[tuple[int, int], tuple[int, int]]:
    """(input, output) of height and of width."""
    source, result = op.input(0).shape, op.output.shape
    return (source[1], result[1]), (source[2], result[2])


def _image_params(op: Operator) -> dict[str, FieldValue]:
    batches, input_height, input_width, channels = op.input(0).shape
    return {
        "batches": batches,
        "input_height": input_height,
        "input_width": input_width,
        "channels": channels,
        "output_height": op.output.shape[1],
        "output_width": op.output.shape[2],
    }


# --- nearest neighbour -------------------------------------------------------------------------


def _nearest(size: int, result: int, attributes: ResizeAttributes) -> list[int]:
    """The row or column of the input for each of the output's."""
    if attributes.align_corners and result > 1:
        scale = np.float32(size - 1) / np.float32(result - 1)
    else:
        scale = np.float32(size) / np.float32(result)
    offset = np.float32(0.5 if attributes.half_pixel_centers else 0.0)
    positions = [float((np.float32(i) + offset) * scale) for i in range(result)]
    half = 0.5 if attributes.align_corners else 0.0  # rounds, half away from zero; none is below 0
    return [min(math.floor(position + half), size - 1) for position in positions]


def _strided(indices: Sequence[int], distance: int) -> tuple[StridedAxis, ...] | None:
    """Axes that walk indices apart by a whole number, or all repeated equally often, else None.

    Args:
        distance: of two neighbouring indices in the input.
    """
    count = len(indices)
    step = indices[1] - indices[0] if count > 1 else 0
    if list(indices) == [indices[0] + i * step for i in range(count)]:
        return (StridedAxis(count, step * distance),)
    repeats = list(indices).count(indices[0])
    if count % repeats == 0 and list(indices) == [indices[0] + i // repeats for i in range(count)]:
        return (StridedAxis(count // repeats, distance), StridedAxis(repeats, 0))
    return None


def _lower_nearest(op: Operator) -> Step:
    batches, height, width, channels = op.input(0).shape
    row_bytes = width * channels
    rows, columns = (_nearest(*sizes, op.attributes) for sizes in _sizes(op))
    row_axes, column_axes = _strided(rows, row_bytes), _strided(columns, channels)
    if row_axes is not None and column_axes is not None:
        axes = (StridedAxis(batches, height * row_bytes), *row_axes, *column_axes)
        offset = rows[0] * row_bytes + columns[0] * channels
        return strided_copy_step(op, (*axes, StridedAxis(channels, 1)), offset)
    call = KernelCall(
        kernel="resize_nearest_neighbor_s8",
        params=_image_params(op)
        | {
            "rows": ConstArray("rows", np.array(rows, np.uint16)),
            "columns": ConstArray("columns", np.array(columns, np.uint16)),
        },
        inputs=(rules.kernel_input(op.input(0), "input"),),
        outputs=(op.output,),
    )
    return Step((op,), (call,))


# --- bilinear ----------------------------------------------------------------------------------


def _scale_and_offset(size: int, result: int, attributes: ResizeAttributes) -> tuple[int, int]:
    """Position of output row i in the input: (i * scale + offset) / 2^10."""
    if attributes.align_corners and result > 1:
        size, result = size - 1, result - 1
    scale = ((size << _FRACTION_BITS) + result // 2) // result
    half = scale // 2 - (1 << (_FRACTION_BITS - 1))
    return scale, half if attributes.half_pixel_centers else 0


def _check_bilinear(op: Operator) -> None:
    _require_images(op)
    require(
        op,
        not (op.attributes.align_corners and op.attributes.half_pixel_centers),
        "align_corners and half_pixel_centers must not both be set",
    )
    for size, result in _sizes(op):
        scale, offset = _scale_and_offset(size, result, op.attributes)
        last = (result - 1) * scale + offset
        # The rounded scale may lead behind the image, where TFLM reads what is not there. The
        # numerator of the upper neighbour is the largest number.
        require(
            op,
            last >> _FRACTION_BITS < size and last + (1 << _FRACTION_BITS) <= INT32_MAX,
            f"from {size} to {result} rows or columns the factor, rounded to 2^-10, leads out of "
            "the image",
        )


def _lower_bilinear(op: Operator) -> Step:
    rows, columns = (_scale_and_offset(*sizes, op.attributes) for sizes in _sizes(op))
    call = KernelCall(
        kernel="resize_bilinear_s8",
        params=_image_params(op)
        | {
            "row_scale": rows[0],
            "row_offset": rows[1],
            "column_scale": columns[0],
            "column_offset": columns[1],
        },
        inputs=(rules.kernel_input(op.input(0), "input"),),
        outputs=(op.output,),
    )
    return Step((op,), (call,))


# --- random cases ------------------------------------------------------------------------------


def _draw(rng: np.random.Generator, kind: str, options: Callable[[], Any]) -> SingleOpCase:
    batches, channels = cases.pick(rng, (1, 1, 2)), cases.pick(rng, (1, 2, 3, 4, 8))
    height, width = cases.between(rng, 1, 9), cases.between(rng, 1, 9)
    size = _draw_size(rng, height, width)
    drawn = options()
    drawn.alignCorners = cases.chance(rng, 0.3)
    drawn.halfPixelCenters = cases.chance(rng, 0.5)
    if kind == "RESIZE_BILINEAR" and drawn.alignCorners:
        drawn.halfPixelCenters = False
    quantization = cases.draw_quantization(rng)
    data = np.array(size, np.int32)
    model = cases.single_op_model(
        kind,
        (
            cases.int8_operand((batches, height, width, channels), quantization),
            Operand((2,), DType.INT32, data=data),
        ),
        (cases.int8_operand((batches, *size, channels), quantization),),
        drawn,
    )
    found = {
        "align corners": drawn.alignCorners,
        "half-pixel centers": drawn.halfPixelCenters,
        "corners": not (drawn.alignCorners or drawn.halfPixelCenters),
        "whole factors": size[0] % height == size[1] % width == 0 and size != (height, width),
        "same size": size == (height, width),
        "larger": size[0] > height and size[1] > width,
        "smaller": size[0] < height and size[1] < width,
        "one row or column": 1 in size,
        "batch above 1": batches > 1,
    }
    return SingleOpCase(model, frozenset(label for label, holds in found.items() if holds))


def _draw_size(rng: np.random.Generator, height: int, width: int) -> tuple[int, int]:
    if cases.chance(rng, 0.3):
        return height * cases.between(rng, 1, 3), width * cases.between(rng, 1, 3)
    largest = cases.pick(rng, (5, 20))
    return cases.between(rng, 1, largest), cases.between(rng, 1, largest)


_OPTIONS = frozenset(
    {
        "align corners",
        "half-pixel centers",
        "corners",
        "whole factors",
        "same size",
        "larger",
        "smaller",
        "one row or column",
        "batch above 1",
    }
)

for _kind, _options, _check, _lower in (
    (
        "RESIZE_NEAREST_NEIGHBOR",
        schema.ResizeNearestNeighborOptionsT,
        _require_images,
        _lower_nearest,
    ),
    ("RESIZE_BILINEAR", schema.ResizeBilinearOptionsT, _check_bilinear, _lower_bilinear),
):
    register(
        OperatorDefinition(
            kind=_kind,
            parse=partial(_parse, type_name=_options.__name__),
            output_shapes=_output_shapes,
            check=_check,
            macs=rules.no_macs,
            lower=_lower,
            draw=partial(_draw, kind=_kind, options=_options),
            options=_OPTIONS,
        )
    )
