"""Rewrites of a program: what each takes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from armv7em_cases import matrix_call
from benchmarks.network import Activations, Network
from pipeline.aot.armv7em import candidates
from pipeline.aot.lowering import lower
from pipeline.aot.params import array
from pipeline.aot.passes.constant_channels import settle_constant_channels
from pipeline.aot.passes.constant_folding import fold_constants
from pipeline.aot.passes.dead_code import without_dead_code
from pipeline.aot.passes.in_place import row_by_row_lead, share_in_place, with_leads
from pipeline.aot.passes.pad_into_convolution import pad_into_convolution
from pipeline.aot.passes.pool_first import pool_first
from pipeline.aot.program import ConstArray, Program, Step, int32_array
from pipeline.aot.row_schedule import fuse_rows
from pipeline.aot.rows import RowStep, row_step
from pipeline.graph import DType, Graph, Quantization
from pipeline.ops import definitions
from pipeline.tflite_reader import read_tflite
from pipeline.tflite_writer import TfliteWriter


def lowered(model: bytes) -> tuple[Graph, tuple[Step, ...]]:
    """The portable steps, one an operator."""
    graph = read_tflite(model)
    return graph, tuple(definitions()[op.kind].lower(op) for op in graph.operators)


def kinds(steps: tuple[Step, ...]) -> list[str]:
    return ["+".join(op.kind for op in step.operators) for step in steps]


def padded(read: Callable[[Network, Activations], Activations]) -> list[str]:
    """Steps of a PAD of one element and what reads it, after the pass."""
    net = Network((1, 8, 8, 4), seed=1)
    x = net.conv(net.input, 4, 3)
    return kinds(pad_into_convolution(*lowered(net.build(read(net, net.pad(x, (0, 1), (0, 1)))))))


def test_a_pad_joins_the_convolution_that_reads_it() -> None:
    assert padded(lambda net, x: net.conv(x, 4, 3, 2, padding="VALID"))[1:] == ["PAD+CONV_2D"]
    assert padded(lambda net, x: net.depthwise(x, 3, 2, padding="VALID"))[1:] == [
        "PAD+DEPTHWISE_CONV_2D"
    ]


def test_a_pad_stays_where_others_read_it_or_it_is_no_convolutions() -> None:
    assert padded(lambda net, x: net.pool(x, "MAX", 2))[1] == "PAD"
    assert padded(lambda net, x: net.add(net.conv(x, 4, 3), x))[1] == "PAD"
    # A 1x1 window would lie outside the image altogether.
    assert padded(lambda net, x: net.conv(x, 4, 1, 2))[1] == "PAD"


def pooled(read: Callable[[Network, Activations], Activations]) -> list[str]:
    """Steps behind the first, a 1x1 convolution of one channel, after the pass."""
    net = Network((1, 8, 8, 1), seed=1)
    graph, steps = lowered(net.build(read(net, net.conv(net.input, 4, 1))))
    return kinds(pool_first(graph, steps))


def test_a_pool_goes_before_what_never_falls() -> None:
    assert pooled(lambda net, x: net.pool(x, "MAX", 2)) == ["CONV_2D+MAX_POOL_2D"]


def test_a_table_goes_behind_the_pool_where_it_never_falls() -> None:
    net = Network((1, 8, 8, 4), seed=1)
    rising = net.hard_swish(net.input)  # of 0..1
    graph, steps = lowered(net.build(net.pool(rising, "MAX", 2)))
    assert kinds(pool_first(graph, steps)) == ["HARD_SWISH+MAX_POOL_2D"]
    net = Network((1, 8, 8, 4), seed=1)
    falling = net.hard_swish(net.conv(net.input, 4, 1, activation="NONE"))  # below -1.5
    graph, steps = lowered(net.build(net.pool(falling, "MAX", 2)))
    assert kinds(pool_first(graph, steps)) == ["CONV_2D", "HARD_SWISH", "MAX_POOL_2D"]


def test_a_pool_stays_where_others_read_what_it_reads_or_channels_mix() -> None:
    assert pooled(lambda net, x: net.add(net.pool(x, "MAX", 2), net.conv(x, 4, 1, 2)))[1] == (
        "MAX_POOL_2D"
    )
    assert pooled(lambda net, x: net.pool(net.conv(x, 4, 1), "MAX", 2))[2] == "MAX_POOL_2D"
    assert pooled(lambda net, x: net.pool(x, "AVERAGE", 2))[1] == "AVERAGE_POOL_2D"


def test_what_nobody_reads_is_not_executed() -> None:
    net = Network((1, 8, 8, 4), seed=1)
    x = net.conv(net.input, 4, 3)
    net.hard_swish(net.conv(x, 8, 1))
    graph, steps = lowered(net.build(net.pool(x, "MAX", 2)))
    assert kinds(without_dead_code(graph, steps)) == ["CONV_2D", "MAX_POOL_2D"]


def test_elementwise_results_take_their_inputs_place() -> None:
    net = Network((1, 8, 8, 4), seed=1)
    _, (step,) = lowered(net.build(net.hard_swish(net.input)))
    assert list(share_in_place(with_leads(step)).leads.values()) == [0]


def test_a_convolution_stays_clear_of_the_rows_it_still_reads() -> None:
    def lead(filters: int) -> int | None:
        net = Network((1, 8, 8, 4), seed=1)
        _, (step,) = lowered(net.build(net.conv(net.input, filters, 3)))
        return row_by_row_lead(step)

    # Row 7 reads rows 6 and 7, of 32 bytes each, and is written up to byte 8 * 32 or 8 * 64.
    assert lead(4) == 8 * 32 - 6 * 32
    assert lead(8) == 8 * 64 - 6 * 32


def fused(model: bytes, strip: int = 1) -> Step:
    """All steps as one."""
    _, steps = lowered(model)
    rows = [row_step(with_leads(step)) for step in steps]
    assert all(rows)
    return fuse_rows([row for row in rows if isinstance(row, RowStep)], strip)


def test_fused_rows_exist_no_longer_than_needed() -> None:
    net = Network((1, 32, 32, 3), seed=1)
    step = fused(net.build(net.pool(net.conv(net.input, 8, 3), "MAX", 2)))
    inner = {tensor.shape for tensor in step.written} - {(1, 16, 16, 8)}
    assert inner == {(1, 2, 32, 8)}  # the rows of one pooled row
    assert [loop.rounds for loop in step.loops] == [1, 14, 1]  # first and last row have padding


def test_a_residual_block_writes_over_its_input() -> None:
    net = Network((1, 16, 16, 8), seed=1)
    x = net.conv(net.input, 8, 1)
    y = net.conv(net.depthwise(net.conv(x, 48, 1)), 8, 1, activation="NONE")
    _, steps = lowered(net.build(net.add(x, y)))
    rows = [row_step(with_leads(step)) for step in steps[1:]]
    block = fuse_rows([row for row in rows if isinstance(row, RowStep)])
    assert list(block.leads.values()) == [0]
    assert sum(tensor.size_bytes for tensor in block.written) < 16 * 16 * 8 + 5 * 16 * 48


def test_the_program_keeps_every_operator_it_executes() -> None:
    net = Network((1, 16, 16, 3), seed=1)
    x = net.pool(net.conv(net.input, 8, 3), "MAX", 2)
    program: Program = lower(read_tflite(net.build(net.softmax(net.dense(net.flatten(x), 3)))))
    assert [op.index for step in program.steps for op in step.operators] == list(range(5))


def test_constants_are_looked_up_and_put_together_ahead() -> None:
    """x + concatenation(relu(c), c): the device only adds."""
    quantization = Quantization((0.5,), (0,))
    writer = TfliteWriter()
    x = writer.tensor((1, 6), DType.INT8, quantization)
    c = writer.tensor((1, 3), DType.INT8, quantization, np.array([[-4, 0, 5]]))
    positive = writer.tensor((1, 3), DType.INT8, quantization)
    both = writer.tensor((1, 6), DType.INT8, quantization)
    y = writer.tensor((1, 6), DType.INT8, quantization)
    writer.operator("RELU", [c], [positive])
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    writer.operator("CONCATENATION", [positive, c], [both], options)
    writer.operator("ADD", [x, both], [y], schema.AddOptionsT())
    graph, steps = lowered(writer.build([x], [y]))

    (step,) = fold_constants(graph, steps)
    constant = step.calls[0].inputs[1]
    assert isinstance(constant, ConstArray)
    assert constant.data.tolist() == [[0, 0, 5, -4, 0, 5]]


def test_a_constant_output_is_still_written() -> None:
    writer = TfliteWriter()
    quantization = Quantization((0.5,), (0,))
    c = writer.tensor((1, 3), DType.INT8, quantization, np.array([[-4, 0, 5]]))
    y = writer.tensor((1, 3), DType.INT8, quantization)
    writer.operator("RELU", [c], [y])
    graph, steps = lowered(writer.build([], [y]))
    assert kinds(fold_constants(graph, steps)) == ["RELU"]


def test_a_filter_of_zeros_does_not_keep_its_layer_from_the_fast_kernels() -> None:
    call = matrix_call(np.random.default_rng(5), rows=4, inputs=9, outputs=6, zero_point=-128)
    weights, bias, scales = (array(call, name).copy() for name in ("weights", "bias", "shifts"))
    weights[2], bias[2], scales[2] = 0, 2_000_000_000, -31  # 2e9 * m / 2^62 is nearly 0
    params = {
        **call.params,
        "weights": ConstArray("weights", weights),
        "bias": int32_array("bias", bias),
        "shifts": ConstArray("shifts", scales),
    }
    dead = replace(call, params=params)
    assert candidates(dead) == []
    (settled,) = settle_constant_channels(Step((), (dead,))).calls
    assert candidates(settled)
