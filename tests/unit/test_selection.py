"""What the goal makes of the same network: which kernels, and how large an arena."""

from __future__ import annotations

import pytest

from benchmarks.models import MODELS
from benchmarks.network import Network
from pipeline.aot.goal import OPTIMIZE, Goal, Optimize, goal_for
from pipeline.aot.lowering import lower
from pipeline.aot.program import Program
from pipeline.boards import board
from pipeline.tflite_reader import read_tflite


def program(model: bytes, optimize: Optimize) -> Program:
    return lower(read_tflite(model), Goal("cortex-m4f", optimize))


def test_winograd_is_taken_for_latency_and_its_weights_are_not_worth_it_else() -> None:
    net = Network((1, 16, 16, 3), seed=1)
    x = net.conv(net.input, 32, 3)
    model = net.build(net.conv(x, 32, 3))

    taken = {
        optimize: any("winograd" in kernel for kernel in program(model, optimize).kernels)
        for optimize in OPTIMIZE
    }

    assert taken == {"balanced": False, "latency": True, "flash": False, "ram": False}


@pytest.mark.parametrize("board_id", ["nano33ble_sim", "esp32_sim"])
@pytest.mark.parametrize("name", ["sepconv_mnist", "conv_mnist", "squeezenet_like"])
def test_no_goal_has_a_smaller_arena_than_ram(name: str, board_id: str) -> None:
    graph = read_tflite(MODELS[name]())
    goals = {each: goal_for(board(board_id), each) for each in OPTIMIZE}
    arenas = {each: lower(graph, goal).memory.arena_bytes for each, goal in goals.items()}
    assert arenas["ram"] == min(arenas.values())


def test_a_small_network_computes_softmax_where_a_fast_one_has_a_table() -> None:
    model = MODELS["sepconv_mnist"]()
    assert "softmax_computed_s8" in program(model, "balanced").kernels
    assert "softmax_s8" in program(model, "latency").kernels
