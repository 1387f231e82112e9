"""The doctor on somebody's own project: each illness in one, and a project that has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import small_models
from command import run
from pipeline.codegen.tflm_arena import estimated_arena_bytes, least_arena_bytes
from pipeline.doctor.shared.project import model_arrays, read_project
from pipeline.tflite_reader import read_tflite

MODEL = small_models.two_headed_convnet()
GRAPH = read_tflite(MODEL)
ARENA = estimated_arena_bytes(GRAPH)

INI = """
[env]
framework = arduino
[env:nano]
platform = nordicnrf52
board = nano33ble
lib_deps = spaziochirale/Chirale_TensorFLowLite@2.0.0
"""
MAIN = """
#include <tensorflow/lite/micro/micro_interpreter.h>
#include "model.h"
/* uint8_t on_the_stack[1]; input->data.uint8 */
constexpr int kTensorArenaSize = ARENA_SIZE;
alignas(16) static uint8_t tensor_arena[kTensorArenaSize];
void loop() {
  input->data.int8[0] = static_cast<int8_t>(x / input->params.scale + input->params.zero_point);
}
"""


def spelled(model: bytes, spelling: str = "0x{:02x}") -> str:
    return ", ".join(spelling.format(byte) for byte in model)


def write(folder: Path, files: dict[str, str]) -> Path:
    healthy = {
        "platformio.ini": INI,
        "src/main.cpp": MAIN.replace("ARENA_SIZE", str(ARENA)),
        "src/model.h": "extern const unsigned char g_model[];\n",
        "src/model.cpp": '#include "model.h"\n'
        f"alignas(16) const unsigned char g_model[] = {{{spelled(MODEL)}}};\n",
    }
    for name, text in {**healthy, **files}.items():
        path = folder / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "project"


def findings(monkeypatch, capsys, project: Path, *options: str) -> dict[str, dict[str, str]]:
    code = run(monkeypatch, project.parent, "doctor", project, *options, "--json")
    shown = json.loads(capsys.readouterr().out)["findings"]
    assert code == any(finding["level"] == "error" for finding in shown)
    return {finding["id"]: finding for finding in shown}


def test_a_healthy_project_has_nothing(monkeypatch, tmp_path, capsys) -> None:
    assert findings(monkeypatch, capsys, write(tmp_path, {})) == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "id", "level", "what"),
    [
        (
            "model.cpp",
            "alignas(16) ",
            "",
            "model-array",
            "error",
            "src/model.cpp:2: g_model has no",
        ),
        ("model.cpp", "const ", "", "model-array", "warning", "src/model.cpp:2: g_model is not"),
        (
            "main.cpp",
            "#include <t",
            "#define TF_LITE_STATIC_MEMORY\n#include <t",
            "tf-lite-static-memory",
            "error",
            "src/main.cpp:2: TF_LITE_STATIC_MEMORY is defined for the project alone",
        ),
        (
            "main.cpp",
            "data.int8[",
            "data.uint8[",
            "uint8-int8",
            "warning",
            "src/main.cpp:8: accesses",
        ),
        (
            "main.cpp",
            f"= {ARENA}",
            "= 1 + 4 * 100",
            "arena-size",
            "error",
            "src/main.cpp:5: kTensorArenaSize is 401 bytes",
        ),
        (
            "main.cpp",
            f"= {ARENA}",
            f"= {least_arena_bytes(GRAPH)}",
            "arena-size",
            "warning",
            "src/main.cpp:5: kTensorArenaSize is",
        ),
        (
            "main.cpp",
            "void loop() {",
            "void loop() {\n  uint8_t arena[2000];",
            "arena-memory",
            "error",
            "src/main.cpp:8: arena is a variable of a function",
        ),
        (
            "main.cpp",
            "alignas(16) static uint8_t tensor_arena[kTensorArenaSize];",
            "uint8_t *tensor_arena = (uint8_t *)ps_malloc(kTensorArenaSize);",
            "arena-memory",
            "warning",
            "src/main.cpp:6: the arena is in external RAM",
        ),
        (
            "main.cpp",
            "void loop",
            "const float kInputScale = 0.5f;\nvoid loop",
            "input-scaling",
            "warning",
            "src/main.cpp:7: kInputScale is 0.5, the model's input has scale 0.0",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "-" in value and " " not in value else "",
)
def test_an_ill_project(monkeypatch, tmp_path, capsys, file, old, new, id, level, what) -> None:
    project = write(tmp_path, {})
    path = project / "src" / file
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    if file == "model.cpp" and old == "const ":
        header = project / "src" / "model.h"
        header.write_text(header.read_text().replace(old, new))
    ill = findings(monkeypatch, capsys, project)
    assert set(ill) == {id}
    assert ill[id]["level"] == level
    assert ill[id]["what"].startswith(what)


def test_a_flag_that_reaches_one_side_alone(monkeypatch, tmp_path, capsys) -> None:
    flag = "-D TF_LITE_STATIC_MEMORY\n"
    for ini, ill in (
        (INI + "build_src_flags = " + flag, True),
        (INI + "build_flags = " + flag, False),
    ):
        project = write(tmp_path, {"platformio.ini": ini})
        assert ("tf-lite-static-memory" in findings(monkeypatch, capsys, project)) == ill
    library = '{"name": "tflm", "build": {"flags": "-DTF_LITE_STATIC_MEMORY"}}'
    project = write(tmp_path, {"platformio.ini": INI, "lib/tflm/library.json": library})
    ill = findings(monkeypatch, capsys, project)["tf-lite-static-memory"]
    assert "library alone" in ill["what"]


def test_reference_kernels_that_are_compiled_for_size(monkeypatch, tmp_path, capsys) -> None:
    kernels = "lib/tflm/tensorflow/lite/micro/kernels/"
    vendored = {f"{kernels}conv.cc": "int x;\n"}
    project = write(tmp_path / "a", vendored)
    assert set(findings(monkeypatch, capsys, project)) == {"os-reference-kernels"}
    fast = INI + "build_unflags = -Os\nbuild_flags = -O2\n"
    project = write(tmp_path / "b", {**vendored, "platformio.ini": fast})
    assert findings(monkeypatch, capsys, project) == {}
    project = write(tmp_path / "c", {**vendored, f"{kernels}cmsis_nn/conv.cc": "int y;\n"})
    assert findings(monkeypatch, capsys, project) == {}


@pytest.mark.parametrize(("scale", "ids"), [(1.0, {"input-scaling"}), (1 / 255, set())])
def test_divided_bytes(monkeypatch, tmp_path, capsys, scale: float, ids: set[str]) -> None:
    model = small_models.dense(input_scale=scale)
    project = write(
        tmp_path,
        {
            "src/main.cpp": "float x = image[i] / 255.0f;",
            "src/model.cpp": f"alignas(16) const uint8_t g_model[] = {{{spelled(model)}}};",
        },
    )
    assert set(findings(monkeypatch, capsys, project)) == ids


def test_the_model_of_a_project_is_examined_too(monkeypatch, tmp_path, capsys) -> None:
    model = small_models.dense(scales=(0.5, 0.25))
    project = write(
        tmp_path,
        {"src/model.cpp": f"alignas(16) const unsigned char g_model[] = {{{spelled(model)}}};"},
    )
    assert "per-channel-dense" in findings(monkeypatch, capsys, project)
    new = INI.replace("nano33ble", "esp32dev").replace("lib_deps", "; lib_deps")
    (project / "platformio.ini").write_text(new)
    assert findings(monkeypatch, capsys, project) == {}


@pytest.mark.parametrize(
    ("text", "alignment", "constant"),
    [
        ("unsigned char m_tflite[] = {%s};", 1, False),  # xxd -i
        ("const unsigned char m[] __attribute__((aligned(8))) = {%s};", 8, True),
        (
            "#define ALIGN_4 __attribute__((aligned(4)))\nconst char m[] ALIGN_4 = {%s};",
            4,
            True,
        ),
        ("namespace n { alignas(16) constexpr uint8_t m[999] = { // a {\n%s}; }", 16, True),
    ],
)
@pytest.mark.parametrize("spelling", ["0x{:02X}", "{}"])
def test_an_array_is_read_however_it_is_spelled(
    tmp_path, text: str, alignment: int, constant: bool, spelling: str
) -> None:
    (tmp_path / "sketch.ino").write_text("int x[] = {84, 70};\n" + text % spelled(MODEL, spelling))
    (array,) = model_arrays(read_project(tmp_path))
    assert (array.alignment, array.constant) == (alignment, constant)
    assert array.content == MODEL


def test_what_is_no_project_is_refused(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    assert run(monkeypatch, tmp_path, "doctor", "empty") == 1
    assert "neither a run folder nor a project" in capsys.readouterr().err
    ini = write(tmp_path, {"platformio.ini": "[env:x\n"})
    assert run(monkeypatch, tmp_path, "doctor", ini) == 1
    assert "platformio.ini cannot be read: " in capsys.readouterr().err
