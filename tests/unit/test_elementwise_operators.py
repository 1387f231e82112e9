"""Elementwise and data-movement operators: what is refused, and what no bytes can show."""

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
from pipeline.errors import ModelError
from pipeline.graph import DType, Graph, Quantization, Shape
from pipeline.ops.shared.broadcast import BroadcastLoops, broadcast_loops
from pipeline.ops.shared.cases import Operand, int8_operand, single_op_model
from pipeline.ops.shared.rules import Activation
from pipeline.ops.softmax import exponentials
from pipeline.tflite_reader import read_tflite
from pipeline.tflite_writer import TfliteWriter
from refusals import assert_refused

PLAIN = Quantization((0.5,), (3,))
PROBABILITY = Quantization((1 / 256,), (-128,))


def _options(kind: type[Any], **values: Any) -> Any:
    options = kind()
    for name, value in values.items():
        setattr(options, name, value)
    return options


def _graph(
    kind: str,
    inputs: list[Operand],
    output: Shape = (2, 3),
    quantization: Quantization | None = PLAIN,
    options: Any = None,
    dtype: DType = DType.INT8,
) -> Graph:
    outputs = [Operand(output, dtype, quantization)]
    return read_tflite(single_op_model(kind, inputs, outputs, options))


def _activation(shape: Shape = (2, 3), scale: float = 0.5, zero_point: int = 3) -> Operand:
    return int8_operand(shape, Quantization((scale,), (zero_point,)))


def _numbers(*values: Any) -> Operand:
    data = np.array(values, np.int32)
    return Operand(data.shape, DType.INT32, data=data)


def _add(first: Operand, second: Operand, **options: Any) -> Graph:
    return _graph("ADD", [first, second], options=_options(schema.AddOptionsT, **options))


def _mul(first: Operand, second: Operand) -> Graph:
    return _graph("MUL", [first, second], options=schema.MulOptionsT())


def _concatenation(inputs: list[Operand], output: Shape = (2, 6), **options: Any) -> Graph:
    chosen = _options(schema.ConcatenationOptionsT, **({"axis": 1} | options))
    return _graph("CONCATENATION", inputs, output, options=chosen)


def _softmax(source: Operand, output: Quantization = PROBABILITY, beta: float = 1.0) -> Graph:
    options = _options(schema.SoftmaxOptionsT, beta=beta)
    return _graph("SOFTMAX", [source], source.shape, output, options)


def _squeeze(shape: Shape, axes: list[int], output: Shape) -> Graph:
    options = _options(schema.SqueezeOptionsT, squeezeDims=axes)
    return _graph("SQUEEZE", [_activation(shape)], output, options=options)


REFUSALS: list[tuple[Callable[[], Graph], str]] = [
    (
        lambda: _add(_activation(), _activation((3, 2))),
        "the input shapes must broadcast, they are (2, 3) and (3, 2)",
    ),
    (
        lambda: _add(_activation((1, 3)), _activation((3,))),
        "its output shape must be (1, 3), the file says (2, 3)",
    ),
    (
        lambda: _add(_activation(), Operand((2, 3), DType.INT32, PLAIN)),
        "input 1 must be int8, it is int32",
    ),
    (
        lambda: _add(_activation((1,) * 6 + (3,)), _activation()),
        "input 0 must have at most 6 dimensions, its shape is (1, 1, 1, 1, 1, 1, 3)",
    ),
    (
        lambda: _add(_activation(), _activation(scale=0.5 * 2**20)),
        "2 x the larger input scale / output scale must be below 2^20",
    ),
    (
        lambda: _add(
            _activation(), _activation(), fusedActivationFunction=Activation.SIGN_BIT.value
        ),
        "its fused activation must be NONE or RELU or RELU6 or RELU_N1_TO_1, it is SIGN_BIT",
    ),
    (
        lambda: _graph("ADD", [_activation(), _activation()]),
        "its options must be present in the file",
    ),
    (
        lambda: _mul(_activation(scale=256.0), _activation(scale=64.0)),
        "the product of the input scales / output scale must be below 2^15",
    ),
    (
        lambda: _concatenation([_activation()] * 11, (2, 33)),
        "it must have 1 to 10 inputs and 1 output, it has 11 and 1",
    ),
    (
        lambda: _concatenation([_activation(), _activation(zero_point=4)]),
        "input 1 must have the output's scale and zero point",
    ),
    (
        lambda: _concatenation([_activation(), _activation((3, 3))]),
        "the inputs must have the same shape but for axis 1, they have (2, 3), (3, 3)",
    ),
    (
        lambda: _concatenation([_activation(), _activation()], axis=-3),
        "the axis must be in -2..1, it is -3",
    ),
    (
        lambda: _concatenation(
            [_activation(), _activation()], fusedActivationFunction=Activation.RELU.value
        ),
        "its fused activation must be NONE, it is RELU",
    ),
    (
        lambda: _graph("PAD", [_activation(), _numbers([0, 0], [1, -1])]),
        "the paddings must be 2 pairs of numbers of at least 0",
    ),
    (
        lambda: _graph("PAD", [_activation(), Operand((2, 2), DType.INT32)]),
        "paddings must be constant",
    ),
    (
        lambda: _graph(
            "PADV2",
            [
                _activation(),
                _numbers([0, 0], [0, 0]),
                Operand((1,), DType.INT8, PROBABILITY, np.zeros(1, np.int8)),
            ],
        ),
        "the pad value must have the output's scale and zero point",
    ),
    (
        lambda: _graph("RESHAPE", [_activation(), _numbers(-1, 4)], (2, 3)),
        "the shape (-1, 4) does not hold the 6 elements of the input",
    ),
    (
        lambda: _graph("RESHAPE", [_activation(), _numbers(6)], (6,), None, dtype=DType.INT16),
        "output must be int8, it is int16",
    ),
    (
        lambda: _squeeze((1, 2, 3), [1], (1, 3)),
        "the axes (1,) must have one element, the input's shape is (1, 2, 3)",
    ),
    (
        lambda: _graph("EXPAND_DIMS", [_activation(), _numbers(3)], (2, 3, 1)),
        "the axis must be one number in -3..2, it is (3,)",
    ),
    (
        lambda: _softmax(_activation(), PLAIN),
        "the output's scale must be 1/256 and its zero point -128",
    ),
    (
        lambda: _softmax(_activation(), beta=math.nan),
        "beta x input scale must be above 2^-26, beta is nan",
    ),
    (
        lambda: _softmax(_activation((4096,))),
        "the last axis must have at most 4095 elements, it has 4096",
    ),
    (
        lambda: _graph("TANH", [_activation()], quantization=PROBABILITY),
        "the output's scale must be 1/128 and its zero point 0",
    ),
    (
        lambda: _graph(
            "RELU", [_activation(scale=1e38)], quantization=Quantization((1e-38,), (0,))
        ),
        "input scale / output scale must be below 2^23",
    ),
    (
        lambda: _graph("HARD_SWISH", [_activation(scale=64.0)]),
        "input scale / output scale must be below 128",
    ),
    (
        lambda: _graph("QUANTIZE", [Operand((2, 3), DType.UINT8, PLAIN)]),
        "input must be float32 or int8, it is uint8",
    ),
    (
        lambda: _graph("DEQUANTIZE", [_activation()]),
        "output must be float32, it is int8",
    ),
]


@pytest.mark.parametrize(("graph", "reason"), REFUSALS, ids=[reason for _, reason in REFUSALS])
def test_refusal_names_the_operator_and_what_is_supported(
    graph: Callable[[], Graph], reason: str
) -> None:
    assert_refused(graph(), reason)


# --- broadcasting ------------------------------------------------------------------------------


def _walk(loops: BroadcastLoops) -> list[tuple[int, int]]:
    """Offsets into both inputs in the output's order, by the rules of broadcast.h."""
    offsets = [0, 0]
    indices = [0] * len(loops.extents)
    visited = []
    while True:
        for _ in range(loops.inner):
            visited.append((offsets[0], offsets[1]))
            offsets = [offsets[i] + loops.steps[i] for i in range(2)]
        for loop, extent in enumerate(loops.extents):
            indices[loop] += 1
            if indices[loop] < extent:
                offsets = [offsets[i] + loops.jumps[i][loop] for i in range(2)]
                break
            indices[loop] = 0
        else:
            return visited


@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=6),
    st.integers(0, 6),
)
def test_broadcast_loops_visit_what_numpy_pairs(
    axes: list[tuple[int, bool, bool]], missing: int
) -> None:
    first = tuple(1 if ones else extent for extent, ones, _ in axes)
    second = tuple(1 if ones else extent for extent, _, ones in axes)[missing:]
    pairs = np.broadcast_arrays(
        np.arange(math.prod(first)).reshape(first), np.arange(math.prod(second)).reshape(second)
    )

    loops = broadcast_loops(first, second)

    assert _walk(loops) == list(zip(*(p.ravel().tolist() for p in pairs), strict=True))


@pytest.mark.parametrize(
    ("first", "second", "extents", "inner"),
    [
        ((1, 8, 8, 3), (1, 8, 8, 3), (), 192),
        ((1, 8, 8, 3), (), (), 192),
        ((1, 8, 8, 3), (3,), (64,), 3),  # a bias per channel
        ((1, 8, 8, 3), (1, 1, 1, 3), (64,), 3),
        ((2, 8, 8, 3), (2, 1, 1, 3), (64, 2), 3),  # squeeze and excitation
        ((2, 1), (1, 3), (2,), 3),
    ],
)
def test_axes_that_broadcast_alike_are_one_loop(
    first: Shape, second: Shape, extents: tuple[int, ...], inner: int
) -> None:
    loops = broadcast_loops(first, second)

    assert (loops.extents, loops.inner) == (extents, inner)


# --- tables and views --------------------------------------------------------------------------


def test_softmax_table_ends_at_2_to_the_minus_20_and_nears_the_exponential() -> None:
    scale = 0.25
    table = exponentials(scale * 2**26)

    assert len(table) == 56  # e^-14 is below 2^-20, e^-13.75 is not
    for distance, value in enumerate(table):
        assert value / 2**31 == pytest.approx(math.exp(-scale * distance), abs=2.5e-7)

    assert len(exponentials(2.0**26 - 1)) == 14


def test_reshape_moves_no_byte_and_shares_its_inputs_storage() -> None:
    graph = _graph("RESHAPE", [_activation(), _numbers(-1)], (6,))

    program = lower(graph)

    assert program.kernels == ()
    assert program.memory.arena_bytes == 8  # 6 bytes, aligned to words
    assert len(set(program.memory.offsets.values())) == 1


def test_operators_that_sum_no_products_have_no_macs() -> None:
    graph = _mul(_activation(), _activation())

    assert ops.definitions()["MUL"].macs(graph.operators[0]) == 0


@pytest.mark.parametrize("side", ["input", "output"])
def test_constant_among_inputs_or_outputs_is_refused(side: str) -> None:
    writer = TfliteWriter()
    zeros = np.zeros((2, 3), np.int8)
    x = writer.tensor((2, 3), DType.INT8, PLAIN, zeros if side == "input" else None)
    y = writer.tensor((2, 3), DType.INT8, PLAIN)
    writer.operator("RELU", [x], [y])
    constant = writer.tensor((2, 3), DType.INT8, PLAIN, zeros)
    outputs = [y] if side == "input" else [y, constant]

    with pytest.raises(ModelError, match=rf"^generate: {side} tensor \d \(t\d\) is constant$"):
        lower(read_tflite(writer.build([x], outputs)))
