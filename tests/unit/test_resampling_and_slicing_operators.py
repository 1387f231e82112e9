"""TRANSPOSE_CONV, RESIZE_*, STRIDED_SLICE and TRANSPOSE, and what came with them (REDUCE_MAX, SUB,
MAXIMUM, LEAKY_RELU): what is refused, what is counted, and what no random bytes show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given
from hypothesis import strategies as st

from pipeline import ops
from pipeline.aot.lowering import lower
from pipeline.graph import DType, Graph, Quantization, Shape
from pipeline.ops.shared.cases import Operand, int8_operand, single_op_model
from pipeline.ops.shared.rules import Padding
from pipeline.ops.shared.strided_copy import StridedAxis, strided_copy_step
from pipeline.tflite_reader import read_tflite
from refusals import assert_refused

PLAIN = Quantization((0.5,), (3,))


def _options(kind: type[Any], **values: Any) -> Any:
    options = kind()
    for name, value in values.items():
        setattr(options, name, value)
    return options


def _numbers(*values: int) -> Operand:
    return Operand((len(values),), DType.INT32, data=np.array(values, np.int32))


def _graph(
    kind: str,
    inputs: list[Operand],
    output: Shape,
    options: Any,
    quantization: Quantization = PLAIN,
) -> Graph:
    return read_tflite(single_op_model(kind, inputs, [int8_operand(output, quantization)], options))


def _transpose_conv(
    image: Shape = (1, 4, 4, 2),
    kernel: int = 3,
    size: Shape = (1, 8, 8, 5),
    given_shape: Operand | None = None,
    **values: Any,
) -> Graph:
    weights = Operand(
        (5, kernel, kernel, 2),
        DType.INT8,
        Quantization((0.25,), (0,)),
        np.ones((5, kernel, kernel, 2), np.int8),
    )
    chosen = {"strideH": 2, "strideW": 2, "padding": Padding.SAME.value} | values
    operands = [given_shape or _numbers(*size), weights, int8_operand(image, PLAIN)]
    return _graph(
        "TRANSPOSE_CONV", operands, size, _options(schema.TransposeConvOptionsT, **chosen)
    )


def _nearest(image: Shape, size: tuple[int, int], given_size: Operand | None = None) -> Graph:
    operands = [int8_operand(image, PLAIN), given_size or _numbers(*size)]
    output = (image[0], *size, image[-1])
    return _graph(
        "RESIZE_NEAREST_NEIGHBOR", operands, output, schema.ResizeNearestNeighborOptionsT()
    )


def _bilinear(image: Shape, size: tuple[int, int], **values: Any) -> Graph:
    operands = [int8_operand(image, PLAIN), _numbers(*size)]
    output = (image[0], *size, image[-1])
    options = _options(schema.ResizeBilinearOptionsT, **values)
    return _graph("RESIZE_BILINEAR", operands, output, options)


def _slice(
    shape: Shape,
    begin: tuple[int, ...],
    end: tuple[int, ...],
    strides: tuple[int, ...],
    output: Shape,
    **values: Any,
) -> Graph:
    operands = [int8_operand(shape, PLAIN), *(_numbers(*v) for v in (begin, end, strides))]
    options = _options(schema.StridedSliceOptionsT, **values)
    return _graph("STRIDED_SLICE", operands, output, options)


def _transpose(shape: Shape, permutation: tuple[int, ...], output: Shape) -> Graph:
    operands = [int8_operand(shape, PLAIN), _numbers(*permutation)]
    return _graph("TRANSPOSE", operands, output, schema.TransposeOptionsT())


def _reduce_max(shape: Shape, axes: tuple[int, ...], output: Shape, scale: float = 0.5) -> Graph:
    operands = [int8_operand(shape, PLAIN), _numbers(*axes)]
    quantization = Quantization((scale,), PLAIN.zero_points)
    return _graph("REDUCE_MAX", operands, output, schema.ReducerOptionsT(), quantization)


def _leaky_relu(alpha: float, scale: float = 0.5) -> Graph:
    options = _options(schema.LeakyReluOptionsT, alpha=alpha)
    quantization = Quantization((scale,), (0,))
    return _graph("LEAKY_RELU", [int8_operand((2, 3), PLAIN)], (2, 3), options, quantization)


def _sub(first: float, second: float, output: float) -> Graph:
    operands = [int8_operand((2, 3), Quantization((scale,), (0,))) for scale in (first, second)]
    quantization = Quantization((output,), (0,))
    return _graph("SUB", operands, (2, 3), schema.SubOptionsT(), quantization)


def _maximum(second: Quantization) -> Graph:
    operands = [int8_operand((2, 3), PLAIN), int8_operand((3,), second)]
    return _graph("MAXIMUM", operands, (2, 3), schema.MaximumMinimumOptionsT())


REFUSALS: list[tuple[Callable[[], Graph], str]] = [
    (
        lambda: _transpose_conv(image=(1, 4, 4, 3)),
        "weights must have the input's 3 channels, they have 2",
    ),
    (
        lambda: _transpose_conv(given_shape=_numbers(1, 8, 8, 4)),
        "the output shape must be (batches, height, width, output channels), it is (1, 8, 8, 4)",
    ),
    (
        lambda: _transpose_conv(given_shape=_numbers(1, 9, 8, 5)),
        "its output shape must be (1, 9, 8, 5), the file says (1, 8, 8, 5)",
    ),
    (
        lambda: _transpose_conv(given_shape=Operand((4,), DType.INT32)),
        "output shape must be constant",
    ),
    (
        lambda: _transpose_conv(strideW=0),
        "strides must be in 1..32768 and kernels at most 32768 wide, they are 0 and 3",
    ),
    (
        lambda: _transpose_conv(kernel=9, padding=Padding.VALID.value),
        "with VALID padding the kernel (9) must fit the output (8)",
    ),
    (
        lambda: _nearest((1, 2, 2, 3), (4, 4), _numbers(4, 0)),
        "the size must be a height and a width of at least 1, it is (4, 0)",
    ),
    (
        lambda: _nearest((1, 1, 1, 3), (1 << 17, 1)),
        "height and width must be at most 65536",
    ),
    (lambda: _nearest((2, 2, 3), (4, 4)), "input must have 4 dimensions, its shape is (2, 2, 3)"),
    (
        lambda: _bilinear((1, 2, 2, 3), (4, 4), alignCorners=True, halfPixelCenters=True),
        "align_corners and half_pixel_centers must not both be set",
    ),
    (
        # 3 x 2^10 / 2047 rounds to 2: the last row would lie at 2 x 2046 / 2^10 = 3.996.
        lambda: _bilinear((1, 3, 1, 1), (2047, 1)),
        "from 3 to 2047 rows or columns the factor, rounded to 2^-10, leads out of the image",
    ),
    (
        lambda: _slice((4, 5), (0, 2), (4, 2), (1, 1), (4, 1)),
        "it must take elements along every axis; of (4, 5) begin (0, 2), end (4, 2) and strides "
        "(1, 1) take (4, 0)",
    ),
    (lambda: _slice((4,), (0,), (4,), (0,), (4,)), "the strides must not be 0, they are (0,)"),
    (
        lambda: _slice((4, 5), (0,), (4,), (1,), (4, 5)),
        "begin must have 2 numbers, it has 1",
    ),
    (
        lambda: _slice((4,), (0,), (4,), (1,), (4,), newAxisMask=1),
        "an ellipsis, a new axis and an end as offset are not taken",
    ),
    (
        lambda: _slice((4,), (4,), (5,), (1,), (), shrinkAxisMask=1),
        "it must take elements along every axis; of (4,) begin (4,), end (5,) and strides (1,) "
        "take (0,)",
    ),
    (
        lambda: _transpose((2, 3), (1, 1), (3, 3)),
        "the permutation must name each of 0..1 once, it is (1, 1)",
    ),
    (
        lambda: _transpose((1,) * 6, (0, 1, 2, 3, 4, 5), (1,) * 6),
        "input must have 1 or 2 or 3 or 4 or 5 dimensions, its shape is (1, 1, 1, 1, 1, 1)",
    ),
    (
        lambda: _reduce_max((2, 3, 2, 3, 2), (0, 2, 4), (3, 3)),
        "axes must form at most 2 runs of adjacent dimensions",
    ),
    (
        lambda: _reduce_max((2, 3), (1,), (2,), scale=0.25),
        "inputs and output must be quantized alike",
    ),
    (
        lambda: _maximum(Quantization((0.5,), (4,))),
        "inputs and output must be quantized alike",
    ),
    (
        lambda: _leaky_relu(1e30),
        "|alpha| x input scale / output scale must be below 2^23, alpha is 1e+30",
    ),
    (
        lambda: _leaky_relu(math.nan),
        "|alpha| x input scale / output scale must be below 2^23, alpha is nan",
    ),
    (
        lambda: _sub(0.5, 0.25, 2.0**-20),
        "2 x the larger input scale / output scale must be below 2^20",
    ),
    (
        lambda: _sub(2.0**127, 2.0**127, 2.0**127),  # twice the scale is infinite in float32
        "2 x the larger input scale / output scale must be below 2^20",
    ),
]


@pytest.mark.parametrize(("graph", "reason"), REFUSALS)
def test_refusal_names_the_operator_and_what_is_supported(
    graph: Callable[[], Graph], reason: str
) -> None:
    assert_refused(graph(), reason)


def test_transpose_conv_counts_every_tap_of_every_input_element() -> None:
    graph = _transpose_conv()

    assert ops.definitions()["TRANSPOSE_CONV"].macs(graph.operators[0]) == 4 * 4 * 2 * 9 * 5


@pytest.mark.parametrize(
    "graph",
    [
        lambda: _transpose((1, 5, 1, 3), (0, 2, 1, 3), (1, 1, 5, 3)),
        lambda: _slice((4, 5), (0, -9), (4, 9), (1, 1), (4, 5)),
        lambda: _nearest((1, 3, 4, 2), (3, 4)),
    ],
)
def test_what_moves_nothing_is_a_view(graph: Callable[[], Graph]) -> None:
    program = lower(graph())

    assert program.kernels == ()
    assert len(set(program.memory.offsets.values())) == 1


@pytest.mark.parametrize(
    ("image", "size", "kernel"),
    [
        ((1, 4, 4, 3), (8, 12), "strided_copy_s8"),
        ((1, 8, 8, 3), (4, 2), "strided_copy_s8"),
        ((1, 4, 4, 3), (6, 8), "resize_nearest_neighbor_s8"),
    ],
)
def test_nearest_neighbours_at_whole_factors_need_no_table(
    image: Shape, size: tuple[int, int], kernel: str
) -> None:
    assert lower(_nearest(image, size)).kernels == (kernel,)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(-40, 40)), min_size=1, max_size=6),
)
def test_strided_copy_visits_what_the_strides_say(axes: list[tuple[int, int]]) -> None:
    graph = _transpose((8192, 1), (1, 0), (1, 8192))  # larger than any walk: none is a view
    extents = [extent for extent, _ in axes]
    expected = sum(
        np.arange(extent).reshape([-1 if i == axis else 1 for i in range(len(axes))]) * stride
        for axis, (extent, stride) in enumerate(axes)
    )

    step = strided_copy_step(graph.operators[0], [StridedAxis(*axis) for axis in axes], 1000)

    assert (
        _walk(step.calls[0].params) == (np.broadcast_to(expected, extents) + 1000).ravel().tolist()
    )


def _walk(params: Any) -> list[int]:
    """Positions in the input in the output's order, by the rules of strided_copy_s8.h."""
    position, visited = params["offset"], []
    loops = params["outer_loops"]
    extents = params["extents"].data.tolist() if loops else []
    jumps = params["jumps"].data.tolist() if loops else []
    indices = [0] * loops
    while True:
        for _ in range(params["inner"]):
            visited.append(position)
            position += params["inner_step"]
        for loop in range(loops):
            indices[loop] += 1
            if indices[loop] < extents[loop]:
                position += jumps[loop]
                break
            indices[loop] = 0
        else:
            return visited
