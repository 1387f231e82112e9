"""The command line as a user meets it: answers, refusals, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import small_models
from command import run
from pipeline import cli
from pipeline.graph import DType, Quantization
from pipeline.tflite_writer import TfliteWriter

SPEC = """
[model]
name = "sepconv_mnist"
[data]
name = "synthetic_digits"
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "dense.tflite"
    path.write_bytes(small_models.dense_relu())
    return path


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys; from pipeline import cli\n"
        "try: cli.main()\n"
        "finally:\n"
        " heavy = {'numpy', 'jinja2', 'rich', 'tensorflow', 'platformio', 'serial'}\n"
        " assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_listings_are_whole_where_stdout_is_no_terminal(monkeypatch, tmp_path, capsys):
    assert run(monkeypatch, tmp_path, "boards") == 0
    shown = capsys.readouterr().out
    assert run(monkeypatch, tmp_path, "boards", "--json") == 0
    for board in json.loads(capsys.readouterr().out):
        assert board["id"] in shown
        assert board["title"] in shown
    assert run(monkeypatch, tmp_path, "models", "--json") == 0
    assert "sepconv_mnist" in [model["name"] for model in json.loads(capsys.readouterr().out)]


def test_a_narrow_terminal_breaks_no_word(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    assert run(monkeypatch, tmp_path, "boards") == 0
    shown = capsys.readouterr().out
    words = shown.split()
    assert {"nano33ble_sim", "xtensa-de212", "1,310,720", "mps2-an386)"} <= set(words)
    assert "Arduino Nano 33 BLE stand-in" not in shown  # folded between words


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "absent.toml"], 2, "'absent.toml' does not exist"),
        (["frobnicate"], 2, "No such command 'frobnicate'"),
        (["run", "spec.toml", "--board", "nano33bel_sim"], 2, "did you mean nano33ble_sim?"),
        (["run", "spec.toml", "--samples", "0"], 2, "neither a number from 1 on nor 'all'"),
        (["train", "bad.toml"], 1, 'bad.toml:7: [training] unknown key "epoch"'),
        (["convert", "spec.toml"], 1, "has no model.keras; make it with: mcu-pipeline train"),
        (["train", "dense.tflite"], 1, "was made from a .tflite"),
        (["build", "empty"], 1, "is no run folder"),
        (["analyze", "text.tflite"], 1, "text.tflite: not a .tflite file"),
        (["build", "net.keras"], 1, 'a spec takes it: name = "net.keras" below [model]'),
        (["convert", "dense.tflite"], 1, "dense was made from a .tflite"),
        (["report", "dense.tflite"], 1, "build of runs/dense-nano33ble_sim-aot is missing"),
        (["benchmark", "dense.tflite", "--samples", "9"], 2, "needs a data set"),
        (["validate", "dense.tflite", "--inputs", "absent.npy"], 1, "absent.npy"),
        (["validate", "dense.tflite", "--inputs", "test:9"], 2, "'test:9' needs a data set"),
    ],
)
def test_refusals_are_one_line(monkeypatch, tmp_path, capsys, model, arguments, code, message):
    (tmp_path / "spec.toml").write_text(SPEC)
    (tmp_path / "bad.toml").write_text(SPEC + "[training]\nepoch = 3\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.tflite").write_text("no flatbuffer")
    (tmp_path / "net.keras").write_text("saved by Keras")
    assert run(monkeypatch, tmp_path, *arguments) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    (error,) = [line for line in shown.err.splitlines() if line.startswith("Error: ")]
    assert message in error
    assert not list(tmp_path.glob("runs/*/build"))


@pytest.mark.parametrize("name", ["text.tflite", "net.h5"])
def test_a_file_that_is_no_model_leaves_no_run_folder(monkeypatch, tmp_path, name):
    (tmp_path / name).write_text("no flatbuffer")
    assert run(monkeypatch, tmp_path, "benchmark", name) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_unsupported_operator_is_named(monkeypatch, tmp_path, capsys):
    writer = TfliteWriter()
    x = writer.tensor((1, 4), DType.INT8, Quantization((0.1,), (0,)))
    y = writer.tensor((1, 4), DType.INT8, Quantization((0.1,), (0,)))
    writer.operator("FLOOR", [x], [y])
    (tmp_path / "floor.tflite").write_bytes(writer.build([x], [y]))
    assert run(monkeypatch, tmp_path, "generate", "floor.tflite", "--output-dir", "out") == 1
    assert "op 0 FLOOR is not supported" in capsys.readouterr().err
    assert not (Path("out") / "generated").exists()


def test_analyze_prints_json_alone(monkeypatch, tmp_path, capsys, model):
    assert run(monkeypatch, tmp_path, "analyze", model, "--json") == 0
    cost = json.loads(capsys.readouterr().out)
    assert [layer["op"] for layer in cost["layers"]] == ["FULLY_CONNECTED", "RELU"]
    assert cost["macs"] == 4


def test_summaries_of_commands_fit_their_line():
    from click.testing import CliRunner

    shown = CliRunner().invoke(cli.cli, ["--help"], terminal_width=80).output
    commands = shown.partition("Commands:")[2]
    assert "validate" in commands
    assert "..." not in commands
