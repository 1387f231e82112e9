"""Exported packages: compiled as their users would, and their outputs against TFLM's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import small_models
from command import run
from pipeline.cli import export as cli_export
from pipeline.cli.export import _golden as golden
from pipeline.cli.export import export_command
from pipeline.export import footprint
from pipeline.export.formats import FORMATS
from pipeline.firmware.platformio_packages import toolchain_of
from pipeline.golden import golden_outputs
from pipeline.graph import DType, Graph, Quantization
from pipeline.inputs import load_inputs, pack
from pipeline.resources import resource
from pipeline.tflite_reader import read_tflite
from pipeline.tflite_writer import TfliteWriter

MODEL = small_models.two_headed_convnet()
FAKES = Path(__file__).parents[1] / "fakes"
STRICT = ("-O1", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
# Reads inputs and writes outputs of as many inferences as come.
DRIVER = """
#include <stdio.h>
#include "model.h"
int main(void) {
  if (!model_init() || model_input(MODEL_INPUT_COUNT) != 0) return 1;
  while (READ) {
    if (!model_invoke()) return 1;
    WRITE;
  }
}
"""


def float_ends() -> bytes:
    """QUANTIZE, RELU, DEQUANTIZE: float in and out."""
    writer = TfliteWriter()
    x, y = (writer.tensor((1, 5), DType.FLOAT32) for _ in range(2))
    a, b = (writer.tensor((1, 5), DType.INT8, Quantization((0.3,), (-7,))) for _ in range(2))
    writer.operator("QUANTIZE", [x], [a])
    writer.operator("RELU", [a], [b])
    writer.operator("DEQUANTIZE", [b], [y])
    return writer.build([x], [y])


KNOWN: dict[bytes, object] = {}


def golden_once(content: bytes, graph: Graph) -> object:
    if content not in KNOWN:
        KNOWN[content] = golden(content, graph)
    return KNOWN[content]


@pytest.fixture
def export(monkeypatch, tmp_path):
    """Exports a model. To save time, what the package takes compiled is unknown, and TFLM runs a
    model once."""
    monkeypatch.setattr(footprint, "footprint", lambda *arguments: None)
    monkeypatch.setattr(cli_export, "_golden", golden_once)

    def exported(name: str, *options: str, model: bytes = MODEL, into: str = "out") -> Path:
        (tmp_path / "net.tflite").write_bytes(model)
        arguments = ("export", "net.tflite", "--format", name, "--output-dir", into, *options)
        assert run(monkeypatch, tmp_path, *arguments) == 0
        return tmp_path / into

    return exported


def gcc(folder: Path, *arguments: str, compiler: str = "gcc") -> None:
    command = [compiler, *STRICT, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def sources(package: Path, *patterns: str) -> list[str]:
    return [str(path) for pattern in patterns for path in sorted(package.rglob(pattern))]


@pytest.mark.parametrize("model", [MODEL, float_ends()], ids=["two heads", "float ends"])
def test_c_sources_give_the_bytes_of_tflm(export, model: bytes) -> None:
    package, graph = export("c", model=model), read_tflite(model)
    counts = [range(len(side)) for side in (graph.inputs, graph.outputs)]
    read = [f"fread(model_input({i}), MODEL_INPUT{i}_BYTES, 1, stdin) == 1" for i in counts[0]]
    write = [f"fwrite(model_output({i}), MODEL_OUTPUT{i}_BYTES, 1, stdout)" for i in counts[1]]
    text = DRIVER.replace("READ", " && ".join(read)).replace("WRITE", "; ".join(write))
    (package / "driver.c").write_text(text)
    includes = ("-std=c11", "-Iinclude", "-Isrc", "-fsanitize=address,undefined")
    gcc(package, *includes, *sources(package, "src/*.c"), "driver.c", "-o", "driver")
    vectors = load_inputs("random:6", graph, seed=3)
    given = b"".join(pack(vector) for vector in vectors)
    done = subprocess.run([package / "driver"], input=given, check=True, capture_output=True)
    assert done.stdout == b"".join(map(pack, golden_outputs(model, vectors)))


def test_the_example_runs_and_compares_as_the_readme_says(export) -> None:
    package = export("c")
    [command] = [
        line.strip()
        for line in (package / "README.md").read_text().splitlines()
        if line.startswith("    gcc ")
    ]
    done = subprocess.run(command, shell=True, cwd=package, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "identical to TensorFlow Lite Micro"
    golden = package / "example" / "golden.h"
    first = golden.read_text().rindex("0x")
    golden.write_text(golden.read_text()[:first] + "0x55 ^ " + golden.read_text()[first:])
    done = subprocess.run(command, shell=True, cwd=package, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        1,
        "DIFFERS from TensorFlow Lite Micro",
    )


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is missing: apt install cmake")
def test_cmake_builds_the_example_and_a_project_around_it(export, tmp_path) -> None:
    package = export("cmake", into="net")
    for folder in (package, tmp_path / "around"):
        if folder != package:
            folder.mkdir()
            (folder / "CMakeLists.txt").write_text(
                "cmake_minimum_required(VERSION 3.13)\nproject(around C)\n"
                "add_subdirectory(../net net)\nadd_executable(example ../net/example/main.c)\n"
                "target_link_libraries(example PRIVATE model)\n"
            )
        subprocess.run(["cmake", "-S", folder, "-B", folder / "b"], check=True, capture_output=True)
        subprocess.run(["cmake", "--build", folder / "b"], check=True, capture_output=True)
        done = subprocess.run([folder / "b" / "example"], capture_output=True, text=True)
        assert (done.returncode, "identical" in done.stdout) == (0, True)


# The cores' compilers that Debian has; the ESP32's LX6 stands behind an LX106.
CORES = [
    ("arduino", "nano33ble", "nano33ble_sim"),
    ("platformio", "nano33ble", "nano33ble_sim"),
    ("espidf", "esp32c3", "esp32c3_sim"),
    ("espidf", "esp32dev", "esp32_sim"),
    ("arduino", "esp32dev", "esp32_sim"),
]


@pytest.mark.parametrize(("name", "board_id", "stand_in"), CORES)
def test_sources_compile_for_the_boards_core(export, name, board_id, stand_in) -> None:
    toolchain = toolchain_of(stand_in)
    if shutil.which(toolchain.compiler) is None:
        pytest.skip(f"{toolchain.compiler} is missing: apt install {toolchain.packages}")
    package = export(name, "--board", board_id)
    found = sources(package, "src/*.c", "main/main.c")
    flags = ("-std=c11", *toolchain.machine_flags, "-Iinclude", "-Isrc", "-c")
    gcc(package, *flags, *found, compiler=toolchain.compiler)


@pytest.mark.parametrize(
    ("name", "runtime", "dialect"),
    [
        ("arduino", "aot", ("-std=c++14", "-funsigned-char")),
        ("arduino", "tflm", ("-std=c++14", "-funsigned-char")),
        ("platformio", "aot", ("-std=c++20",)),
        ("platformio", "tflm", ("-std=c++20",)),
    ],
)
def test_arduino_examples_compile(export, name, runtime, dialect) -> None:
    package = export(name, "--runtime", runtime)
    flags = (*dialect, "-fsyntax-only", f"-I{FAKES}", "-Iinclude", "-Isrc", "-x", "c++")
    gcc(package, *flags, *sources(package, "*.ino", "*.cpp"), compiler="g++")


def test_an_idf_component_with_tflm_compiles(export) -> None:
    package = export("espidf", "--runtime", "tflm")
    flags = ("-std=c++20", "-fsyntax-only", f"-I{FAKES}", "-Iinclude", "-Isrc")
    gcc(package, *flags, *sources(package, "*.cpp"), compiler="g++")
    assert "espressif/esp-tflite-micro" in (package / "idf_component.yml").read_text()


@pytest.mark.emulator
def test_platformio_builds_and_runs_the_example(export, tmp_path) -> None:
    """With our own platform in the place of its `native`, which PlatformIO would download."""
    package = export("platformio", "--board", "host")
    project = package / "examples" / "run_inference"
    ini = (project / "platformio.ini").read_text()
    platform = f"platform = symlink://{resource('platforms')}/path_gcc\nboard = host"
    (project / "platformio.ini").write_text(ini.replace("platform = native", platform))
    variables = {
        **os.environ,
        "PLATFORMIO_CORE_DIR": str(tmp_path / "core"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
    }
    command = [sys.executable, "-m", "platformio", "run", "--project-dir", str(project)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    image = project / ".pio" / "build" / "run_inference" / "firmware.elf"
    done = subprocess.run([image], capture_output=True, text=True)
    assert (done.returncode, "identical" in done.stdout) == (0, True)


def test_the_command_offers_every_format() -> None:
    (option,) = [p for p in export_command.params if p.name == "name"]
    assert tuple(option.type.choices) == FORMATS


def test_only_the_kernels_that_are_called_come_along(export) -> None:
    kernels = {path.stem for path in (export("c") / "src").glob("*_s8.c")}
    assert kernels == {
        "add_s8",
        "conv_2d_s8",
        "fully_connected_s8",
        "max_pool_2d_s8",
        "softmax_s8",
    }


def test_the_archive_is_the_folder_and_the_record_knows_both(export, tmp_path) -> None:
    package = export("arduino", "--zip", into="net_library")
    record = json.loads((package / "export.json").read_text())
    present = {p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file()}
    assert {*record["files"], "export.json"} == present
    with zipfile.ZipFile(tmp_path / "net_library.zip") as archive:
        assert {name: archive.read(f"net_library/{name}") for name in present} == {
            name: (package / name).read_bytes() for name in present
        }
        assert len(archive.namelist()) == len(present)
    for file in ("README.md", "LICENSE", "library.properties"):
        assert file in present
    assert f"{record['arena_bytes']:,}" in (package / "README.md").read_text()


def test_the_readme_says_what_the_package_takes(monkeypatch, tmp_path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is missing")
    (tmp_path / "net.tflite").write_bytes(MODEL)
    arguments = ("export", "net.tflite", "--format", "c", "--output-dir", "out")
    assert run(monkeypatch, tmp_path, *arguments) == 0
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    includes = ("-std=c11", "-Iinclude", "-Isrc", "-c", "-mcpu=cortex-m4", "-mthumb", "-O2")
    gcc(tmp_path / "out", *includes, *sources(tmp_path, "src/*.c"), compiler="arm-none-eabi-gcc")
    listed = subprocess.run(
        ["arm-none-eabi-size", *sources(tmp_path, "*.o")], capture_output=True, text=True
    )
    text = sum(int(line.split()[0]) for line in listed.stdout.splitlines()[1:])
    # The ABI of floats and the sections differ a little; size counts constants as text.
    assert record["code_bytes"] + record["const_bytes"] == pytest.approx(text, rel=0.02)
    weights = sum(t.size_bytes for t in read_tflite(MODEL).tensors if t.is_constant)
    assert record["const_bytes"] >= weights - 8  # the shape of RESHAPE is none
    for number in (record["code_bytes"], record["const_bytes"]):
        assert f"| {number:,} |" in (tmp_path / "out" / "README.md").read_text()


def test_an_export_is_replaced_and_what_was_built_there_stays(export) -> None:
    package = export("c", "--board", "nano33ble")
    (package / "build").mkdir()
    (package / "build" / "x.o").write_text("x")
    export("c")
    assert not list(package.rglob("armv7em*"))
    assert (package / "build" / "x.o").read_text() == "x"
    assert not list(package.parent.glob(".out*"))


def test_an_export_that_was_killed_while_it_replaced_loses_nothing(export) -> None:
    package = export("c")
    (package / "mine").write_text("m")
    package.rename(package.with_name(".out.before"))
    assert (export("c") / "mine").read_text() == "m"


@pytest.mark.parametrize(
    ("prepare", "options", "message"),
    [
        (lambda f: (f / "mine").write_text("m"), (), "out is not empty and was not exported"),
        (lambda f: (f / "../out.zip").write_text("m"), ("--zip",), "out.zip exists and was not"),
        (None, ("--runtime", "tflm"), "c holds no C++ library"),
    ],
)
def test_what_is_not_ours_stays(monkeypatch, tmp_path, capsys, prepare, options, message) -> None:
    (tmp_path / "net.tflite").write_bytes(MODEL)
    folder = tmp_path / "out"
    folder.mkdir()
    if prepare is not None:
        prepare(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*")}
    arguments = ("export", "net.tflite", "--format", "c", "--output-dir", "out", *options)
    assert run(monkeypatch, tmp_path, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: export: ")
    assert message in error
    assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.rglob("*")} == before


def test_a_file_that_was_edited_is_not_overwritten(export, monkeypatch, tmp_path, capsys) -> None:
    package = export("c")
    (package / "example" / "main.c").write_text("int main(void) { return 0; }")
    arguments = ("export", "net.tflite", "--format", "c", "--output-dir", "out")
    assert run(monkeypatch, tmp_path, *arguments) == 1
    assert "example/main.c was changed since it was exported" in capsys.readouterr().err


@pytest.mark.parametrize("board_id", ["esp32c3", "esp32c3_sim"])
def test_a_run_is_exported_for_its_board(monkeypatch, tmp_path, capsys, board_id) -> None:
    monkeypatch.setattr(footprint, "footprint", lambda *arguments: None)
    (tmp_path / "net.tflite").write_bytes(MODEL)
    arguments = ("net.tflite", "--board", board_id, "--runtime", "aot", "--quiet")
    assert run(monkeypatch, tmp_path, "generate", *arguments) == 0
    folder = f"runs/net-{board_id}-aot"
    arguments = ("export", folder, "--output-dir", "out", "--json", "--format")
    assert run(monkeypatch, tmp_path, *arguments, "arduino") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["board"], shown["format"]) == ("esp32c3", "arduino")
    assert run(monkeypatch, tmp_path, *arguments, "espidf", "--board", "nano33ble") == 1
    assert "espidf is for Espressif's cores" in capsys.readouterr().err


def test_a_spec_without_a_run_says_how_to_make_one(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "s.toml").write_text('[model]\nname = "mlp1_mnist"\n[data]\nname = "mnist"\n')
    arguments = ("export", "s.toml", "--format", "c", "--output-dir", "out")
    assert run(monkeypatch, tmp_path, *arguments) == 1
    assert "s.toml has no model yet; make it with: mcu-pipeline run s.toml" in (
        capsys.readouterr().err
    )
