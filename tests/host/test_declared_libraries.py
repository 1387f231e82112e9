"""Our sources for the boards against headers that declare what they use of vendors' libraries."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import small_models
from pipeline.codegen.model_info import render_model_info
from pipeline.codegen.tflm import _REGISTRATIONS, render_tflm
from pipeline.graph import DType, Graph, Operator, Tensor
from pipeline.resources import resource
from pipeline.tflite_reader import read_tflite

DECLARATIONS = Path(__file__).parents[1] / "fakes"
# As the Nano 33 BLE's core compiles, and as the ESP32's does.
NANO = ("-std=c++14", "-funsigned-char")
ESP32 = ("-std=c++20",)
SHA256 = "00" * 32


def check(source: Path, dialect: tuple[str, ...], *includes: Path) -> None:
    flags = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti"]
    folders = [DECLARATIONS, resource("firmware") / "include", *includes]
    command = ["g++", *dialect, *flags, *(f"-I{folder}" for folder in folders), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def write_sources(graph: Graph, folder: Path) -> Path:
    sources = render_tflm(graph, b"TFL3", "test", SHA256) | render_model_info(graph, "test", SHA256)
    for name, text in sources.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("dialect", [NANO, ESP32], ids=["nano33ble", "esp32dev"])
def test_the_tflm_runtime_compiles_with_an_int8_model(
    tmp_path: Path, dialect: tuple[str, ...]
) -> None:
    graph = read_tflite(small_models.two_headed_convnet())
    generated = write_sources(graph, tmp_path)
    assert "Register_CONV_2D_INT8()" in (generated / "op_resolver.h").read_text()
    check(resource("firmware") / "runtimes" / "tflm" / "runtime_tflm.cc", dialect, generated)
    check(generated / "model_data.cc", dialect)


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_every_operator_is_added_by_a_method_that_exists(tmp_path: Path, dtype: DType) -> None:
    tensors = tuple(Tensor(i, "t", (1, 2), dtype) for i in range(3))
    operators = tuple(
        Operator(i, kind, 1, tensors[:2], tensors[2:]) for i, kind in enumerate(_REGISTRATIONS)
    )
    graph = Graph(tensors, operators, tensors[:1], tensors[2:])
    generated = write_sources(graph, tmp_path)
    has_int8 = "_INT8()" in (generated / "op_resolver.h").read_text()
    assert has_int8 == (dtype is DType.INT8)
    check(resource("firmware") / "runtimes" / "tflm" / "runtime_tflm.cc", NANO, generated)


@pytest.mark.parametrize(
    ("port", "dialect"), [("arduino_nano33ble", NANO), ("arduino_esp32", ESP32)]
)
def test_arduino_ports_compile(port: str, dialect: tuple[str, ...]) -> None:
    check(resource("firmware") / "ports" / port / "port.cpp", (*dialect, '-DBOARD_ID="test"'))
