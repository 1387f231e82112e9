"""`benchmark`, `validate` and `build` on a .tflite brought along, as commands."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import small_models
from command import run
from pipeline.tflite_reader import read_tflite
from tflm import interpret

BOARDS = ["host", pytest.param("nano33ble_sim", marks=pytest.mark.emulator)]
MODEL = small_models.two_headed_convnet()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "convnet.tflite").write_bytes(MODEL)
    return tmp_path


@pytest.mark.parametrize("board", BOARDS)
def test_benchmark_prints_the_report_and_keeps_what_holds(monkeypatch, folder, capsys, board):
    arguments = ["benchmark", "convnet.tflite", "--board", board, "--json"]
    assert run(monkeypatch, folder, *arguments) == 0
    first = capsys.readouterr()
    report = json.loads(first.out)
    stored = (folder / f"runs/convnet-{board}-aot/report.json").read_text()
    assert report == json.loads(stored)
    assert report["golden"] == {"compared": 32, "identical": True}
    assert report["accuracy"] is None
    assert report["code_bytes"] > 0
    assert report["const_bytes"] >= 4000  # the dense layer's weights
    emulated = board != "host"
    assert (report["instructions_per_inference"] is not None) == emulated
    assert (report["latency_us"] is None) == emulated
    if emulated:
        steps = sum(op["instructions"] for op in report["per_op"])
        whole = report["instructions_per_inference"]["median"]
        assert steps == pytest.approx(whole, rel=0.02)

    assert run(monkeypatch, folder, *arguments) == 0
    again = capsys.readouterr().err.splitlines()
    kept = {line.split()[0] for line in again if line.split()[1] == "kept"}
    assert kept >= {"analyze", "generate", "build"}
    assert ("benchmark" in kept) == emulated  # time is measured anew


@pytest.mark.parametrize("board", BOARDS)
def test_validate_saves_what_tflm_gives(monkeypatch, folder, capsys, board):
    rng = np.random.default_rng(5)
    inputs = {f"x{i}": rng.integers(-128, 128, (6, 20, 20, 3), np.int8) for i in range(2)}
    np.savez(folder / "x.npz", **inputs)
    arguments = ["validate", "convnet.tflite", "--board", board, "--inputs", "x.npz"]
    assert run(monkeypatch, folder, *arguments, "--save-outputs", "y.npz", "--json") == 0
    assert json.loads(capsys.readouterr().out)["compared"] == 6
    vectors = [tuple(inputs[name][n : n + 1] for name in ("x0", "x1")) for n in range(6)]
    expected = interpret(MODEL, read_tflite(MODEL), vectors)
    with np.load(folder / "y.npz") as archive:
        saved = dict(archive)
    for output in range(2):
        want = np.concatenate([outputs[output] for outputs in expected])
        np.testing.assert_array_equal(saved[f"y{output}"], want)


def test_a_changed_weight_is_found_and_its_layer_named(monkeypatch, folder, capsys):
    run_folder = folder / "runs/convnet-host-aot"
    assert run(monkeypatch, folder, "build", "convnet.tflite", "--board", "host") == 0
    data = run_folder / "generated/model_data.c"
    first_weight = re.compile(r"(step4_weights\[\d+\] = \{\s*)-?\d+")
    data.write_text(first_weight.sub(r"\g<1>101", data.read_text(), count=1))
    assert run(monkeypatch, folder, "build", run_folder) == 0
    assert run(monkeypatch, folder, "validate", run_folder, "--per-layer") == 4
    shown = capsys.readouterr()
    assert "first layer that differs: op 4 FULLY_CONNECTED" in shown.out
    assert "inferences differ from TFLM" in shown.err
    assert run(monkeypatch, folder, "benchmark", run_folder, "--json") == 4
    shown = capsys.readouterr()
    assert json.loads(shown.out)["golden"]["identical"] is False
    assert f"mcu-pipeline validate {run_folder} --inputs random:32 --per-layer" in shown.err
