"""Some hundred damaged files and frames of every kind, in a process with limits of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

import fuzz
import fuzz_compare
import small_models
from fake_device import FakeDevice, connect, with_error
from pipeline import boards
from pipeline.codegen.tflm_arena import estimated_arena_bytes
from pipeline.errors import DeviceError, ModelError, PipelineError
from pipeline.graph import DType, Graph, Operator, Tensor
from pipeline.tflite_reader import read_tflite

TESTS = Path(__file__).parents[1]
CASES = {
    "tflite-bytes": 400,
    "tflite-structure": 400,
    "spec": 200,
    "board": 300,
    "frames": 400,
    "requests": 40,
}


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_damage_is_refused_or_taken(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, str(TESTS / "fuzz.py"), kind, "--cases", str(CASES[kind])]
    paths = {"PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS)))}
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | paths, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_damaged_models_that_are_taken_are_computed_as_tflm_does(tmp_path: Path) -> None:
    found = fuzz_compare.compare(fuzz.KINDS["tflite-structure"], 16, 3, tmp_path)
    assert found.differing == ()
    assert found.identical >= 10


# What longer runs found.


def test_names_of_a_file_are_one_line() -> None:
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(small_models.dense_relu()))
    tensor = model.subgraphs[0].tensors[0]
    tensor.name = b"two\nlines \x1b[31m and more" + b"." * 9000
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    name = read_tflite(bytes(builder.Output())).tensors[0].name
    assert name.startswith("two?lines ?[31m and more...")
    assert len(name) == 200


def test_an_error_of_a_device_is_one_line() -> None:
    device = connect(FakeDevice(faults=[with_error(4, "two\nlines \x1b[31m" + "." * 900)]))
    with pytest.raises(DeviceError) as error:
        device.run(0, 1)
    assert str(error.value).startswith("device: refuses Run: error 4, two?lines ?[31m...")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("kind", ["MEAN", "CONV_2D", "AVERAGE_POOL_2D"])
def test_an_operator_without_operands_has_no_arena(kind: str) -> None:
    output = Tensor(0, "y", (), DType.INT8)
    graph = Graph((output,), (Operator(0, kind, 1, (), (output,)),), (), (output,))
    with pytest.raises(ModelError, match=rf"^generate: op 0 {kind} lacks an operand or one of it"):
        estimated_arena_bytes(graph)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"title = " + b"[" * 3000 + b"]" * 3000, "board x: values are nested too deep"),
        (b"title = '\xff'", r"board x: .*x.toml cannot be read: 'utf-8' codec can't decode"),
    ],
)
def test_a_board_file_that_cannot_be_parsed(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(PipelineError, match=rf"^{message}"):
        boards.read_board(tmp_path / "x.toml")
