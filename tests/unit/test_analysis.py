"""Receptive fields, intensity, separable pairs and the device's share, against hand counts."""

from __future__ import annotations

import csv
import io
import json

import pytest

import small_models
from benchmarks.network import Network
from command import run
from pipeline.analysis.analyze import CostTable, analyze
from pipeline.analysis.layer_table import layer_csv, layer_table
from pipeline.analysis.separable import separable_pairs
from pipeline.analysis.with_device import analysis
from pipeline.aot.goal import Goal
from pipeline.graph import Graph
from pipeline.tflite_reader import read_tflite

CORTEX = Goal("cortex-m4f")


def separable_network() -> Graph:
    """Depthwise 5x5 stride 2 and 1x1 to 16, squeeze and excite, residual, dense."""
    net = Network((1, 20, 12, 8), seed=1)
    x = net.conv(net.depthwise(net.input, kernel=5, stride=2), 16, 1)
    y = net.conv(x, 16, (3, 1))
    y = net.multiply(y, net.hard_sigmoid(net.conv(net.mean(y), 16, 1)))
    x = net.pool(net.add(x, y), "MAX", 3, 2)
    return read_tflite(net.build(net.softmax(net.dense(net.flatten(x), 10))))


def test_receptive_fields_follow_the_formula_on_every_path() -> None:
    layers = analyze(separable_network()).layers
    fields = {}
    for layer in layers:
        fields.setdefault(layer.op, []).append(layer.receptive_field)
    assert fields["DEPTHWISE_CONV_2D"] == [(5, 5)]
    # 1x1; (3 - 1) * 2 more rows; a 1x1 behind the mean over the 10 rows and 6 columns left
    assert fields["CONV_2D"] == [(5, 5), (9, 5), (9 + 9 * 2, 5 + 5 * 2)]
    assert fields["MEAN"] == [(27, 15)]
    assert fields["MUL"][-1] == (27, 15)  # every value depends on the factor of its channel
    assert fields["ADD"][-1] == (27, 15)
    # (3 - 1) * 2 more; then 4x2 windows, 4 pixels apart, all of which a dense layer sees
    assert fields["MAX_POOL_2D"] == fields["RESHAPE"] == [(31, 19)]
    assert fields["FULLY_CONNECTED"] == fields["SOFTMAX"] == [(31 + 3 * 4, 19 + 1 * 4)]


def test_what_is_no_window_over_an_image_has_no_receptive_field() -> None:
    layers = analyze(read_tflite(small_models.dense_relu())).layers
    assert [layer.receptive_field for layer in layers] == [None, None]


def test_intensity_is_macs_by_bytes_of_inputs_constants_and_outputs() -> None:
    dense = analyze(read_tflite(small_models.dense_relu())).layers[0]
    assert (dense.macs, dense.bytes_moved) == (4, 2 + 4 + 8 + 2)
    assert dense.macs_per_byte == 0.25


def test_a_cost_table_reads_back_from_json() -> None:
    cost = analyze(separable_network())
    assert CostTable.from_json(json.loads(json.dumps(cost.to_json()))) == cost


def test_a_pair_is_held_against_the_ordinary_convolution() -> None:
    graph = separable_network()
    (pair,) = separable_pairs(graph, CORTEX)
    assert (pair.depthwise, pair.pointwise, pair.kernel, pair.output_channels) == (0, 1, (5, 5), 16)
    layers = analyze(graph).layers
    standard = 10 * 6 * 16 * 25 * 8
    assert pair.macs_ratio == pytest.approx((layers[0].macs + layers[1].macs) / standard)
    # A core that multiplies twice in one instruction needs fewer than one for each of these.
    assert 0.3 * standard < pair.standard_instructions < 3 * standard
    assert pair.instruction_ratio == pytest.approx(
        pair.pair_instructions / pair.standard_instructions, abs=1e-4
    )
    (unknown,) = separable_pairs(graph, Goal("host"))
    assert (unknown.pair_instructions, unknown.instruction_ratio) == (None, None)
    assert unknown.macs_ratio == pair.macs_ratio


def step(operators: list[int], instructions: int | None) -> dict[str, object]:
    return {"operators": operators, "instructions": instructions}


def test_what_the_device_counted_stands_at_the_first_operator_of_a_step() -> None:
    graph = separable_network()
    cost, pairs = analyze(graph), separable_pairs(graph, CORTEX)
    rest = [step([index], 100) for index in range(3, len(cost.layers))]
    values = analysis(cost, pairs, [step([0], 500), step([1, 2], 1500), *rest])
    total = 2000 + 100 * len(rest)
    first, second, third, *_ = values["layers"]
    assert values["instructions"] == total
    assert (second["step"], second["instructions"]) == (1, 1500)
    assert (third["step"], third["instructions"], third["instruction_share"]) == (1, None, None)
    assert first["instruction_share"] == round(500 / total, 4)
    assert values["separable"][0]["counted_instructions"] is None  # the 1x1 was not alone
    alone = analysis(cost, pairs, [step([0], 500), step([1], 700)])
    assert alone["separable"][0]["counted_instructions"] == 1200
    fused = analysis(cost, pairs, [step([0, 1], 900)])
    assert fused["separable"][0]["counted_instructions"] == 900


def test_without_a_benchmark_the_device_says_nothing() -> None:
    cost = analyze(separable_network())
    values = analysis(cost, (), [])
    assert values["instructions"] is None
    assert {layer["instructions"] for layer in values["layers"]} == {None}
    headings, cells, _ = layer_table(values["layers"], values)
    assert "instructions" not in headings
    assert cells[-1][headings.index("MACs")] == f"{cost.macs:,}"
    rows = list(csv.DictReader(io.StringIO(layer_csv(values["layers"]))))
    assert rows[0]["output_shape"] == "1x10x6x8"
    assert rows[0]["receptive_field"] == "5x5"
    assert rows[0]["instructions"] == ""


def test_analyze_speaks_json_and_csv(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "m.tflite").write_bytes(small_models.two_headed_convnet())
    assert run(monkeypatch, tmp_path, "analyze", "m.tflite", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert [layer["op"] for layer in values["layers"]][:2] == ["ADD", "CONV_2D"]
    assert values["layers"][1]["receptive_field"] == [3, 3]
    assert values["separable"] == []
    assert run(monkeypatch, tmp_path, "analyze", "m.tflite", "--csv") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(values["layers"])
    assert run(monkeypatch, tmp_path, "analyze", "m.tflite") == 0
    assert "MACs/byte" in capsys.readouterr().out
