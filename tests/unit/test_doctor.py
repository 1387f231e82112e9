"""Every check of the doctor on a model or machine that has the illness, and on one that has not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import small_models
from command import run
from pipeline.aot.goal import Goal
from pipeline.boards import board
from pipeline.codegen.tflm import require_computed_right
from pipeline.device.port_access import PortTrouble
from pipeline.doctor import Finding, checks, examine
from pipeline.doctor.shared.machine import Machine, SerialDevice, SerialRights, look_around
from pipeline.doctor.shared.subject import Model, Subject, library_of
from pipeline.errors import ModelError
from pipeline.firmware.platformio_packages import Toolchain
from pipeline.graph import DType, Quantization
from pipeline.tflite_reader import read_tflite
from pipeline.tflite_writer import TfliteWriter

DOCS = Path(__file__).parents[2] / "docs" / "doctor.md"
MACHINE = Machine(
    Toolchain("arm-none-eabi-gcc", "gcc-arm-none-eabi"),
    ("arm-none-eabi-gcc", "qemu-system-arm"),
    (),
    "-O2",
    True,
    None,
)
RIGHTS = SerialRights((), ("user", "dialout"), ("dialout",), False, False, ())


def subject(
    model: bytes | None = None,
    board_id: str = "nano33ble_sim",
    runtime: str = "aot",
    **others: object,
) -> Subject:
    where = board(board_id)
    fields = {"machine": MACHINE, **others}
    return Subject(
        where,
        runtime,
        Goal(where.core),
        library_of(where, runtime),
        model=None if model is None else Model(model, read_tflite(model)),
        **fields,
    )


def found(examined: Subject) -> dict[str, Finding]:
    return {finding.id: finding for finding in examine(examined)}


# --- models --------------------------------------------------------------------------------------


def unary(kind: str, elements: int = 4, source: DType = DType.INT8) -> bytes:
    writer = TfliteWriter()
    quantization = None if source is DType.FLOAT32 else Quantization((0.1,), (0,))
    x, y = (writer.tensor((1, elements), source, quantization) for _ in range(2))
    writer.operator(kind, [x], [y])
    return writer.build([x], [y])


def island() -> bytes:
    """DEQUANTIZE, SIN in float, QUANTIZE."""
    writer = TfliteWriter()
    scale = Quantization((0.1,), (0,))
    x, y = (writer.tensor((1, 4), DType.INT8, scale) for _ in range(2))
    a, b = (writer.tensor((1, 4), DType.FLOAT32) for _ in range(2))
    writer.operator("DEQUANTIZE", [x], [a])
    writer.operator("SIN", [a], [b])
    writer.operator("QUANTIZE", [b], [y])
    return writer.build([x], [y])


def heavy(bytes_of_weights: int) -> bytes:
    writer = TfliteWriter()
    scale = Quantization((0.1,), (0,))
    shape = (bytes_of_weights // 1000, 1000)
    x, y = (writer.tensor((1, size), DType.INT8, scale) for size in (1000, shape[0]))
    w = writer.tensor(shape, DType.INT8, scale, np.ones(shape, np.int8))
    writer.operator("FULLY_CONNECTED", [x, w, -1], [y], schema.FullyConnectedOptionsT())
    return writer.build([x], [y])


def test_a_healthy_model_on_a_healthy_machine_has_nothing() -> None:
    model = small_models.two_headed_convnet()
    for board_id, runtime in (("nano33ble_sim", "aot"), ("nano33ble", "tflm"), ("host", "tflm")):
        assert found(subject(model, board_id, runtime)) == {}


def test_per_channel_dense_bites_tflm_before_2024_alone() -> None:
    model = small_models.dense(scales=(0.5, 0.25))
    for board_id in ("nano33ble", "nano33ble_sim"):
        finding = found(subject(model, board_id, "tflm"))["per-channel-dense"]
        assert finding.level == "error"
        assert "op 0 FULLY_CONNECTED" in finding.what
        with pytest.raises(ModelError):  # what `generate` says of the same model
            require_computed_right(read_tflite(model), board(board_id).tflm_year or 0)
    for board_id, runtime in (("esp32dev", "tflm"), ("nano33ble_sim", "aot"), ("host", "tflm")):
        assert found(subject(model, board_id, runtime)) == {}
    assert "per-channel-dense" not in found(subject(small_models.dense(), "nano33ble", "tflm"))


def test_operators_that_a_runtime_lacks() -> None:
    floor = unary("FLOOR")
    assert "op 0 FLOOR is not supported" in found(subject(floor))["missing-operator"].what
    assert found(subject(floor, "nano33ble", "tflm")) == {}
    rank = found(subject(unary("RANK"), "nano33ble", "tflm"))
    assert rank["missing-operator"].level == "error"


def test_a_newer_version_of_an_operator_bites_an_older_library() -> None:
    model = small_models.dense(version=12)
    finding = found(subject(model, "nano33ble", "tflm"))["operator-version"]
    assert (finding.level, "version 12 (known: 9)" in finding.what) == ("warning", True)
    assert found(subject(model, "esp32dev", "tflm")) == {}
    assert found(subject(small_models.dense(version=9), "nano33ble", "tflm")) == {}


def test_hybrid_operators_and_float_islands_are_told_apart() -> None:
    hybrid = small_models.dense(source=DType.FLOAT32, result=DType.FLOAT32)
    assert "hybrid-operator" in found(subject(hybrid, "nano33ble", "tflm"))
    assert "float-island" not in found(subject(hybrid, "nano33ble", "tflm"))
    sine = found(subject(island(), "nano33ble", "tflm"))
    assert {id: finding.level for id, finding in sine.items()} == {"float-island": "warning"}
    assert sine["float-island"].what.startswith("op 1 SIN")
    assert found(subject(island()))["float-island"].level == "error"
    whole = found(subject(unary("RELU", source=DType.FLOAT32)))["float-island"]
    assert whole.what == "the whole model is float32"


def test_uint8_inputs_and_outputs() -> None:
    model = small_models.dense(source=DType.UINT8)
    assert found(subject(model))["uint8-int8"].level == "error"
    assert "input 0: uint8" in found(subject(model, "nano33ble", "tflm"))["uint8-int8"].what


def test_an_input_that_was_calibrated_with_other_values_than_training_fed() -> None:
    model = small_models.dense()  # holds -64 to 63.5
    ill = found(subject(model, trained_range=(0.0, 1.0)))["input-scaling"]
    assert (ill.level, "-64 to 63.5, training fed 0 to 1" in ill.what) == ("warning", True)
    assert found(subject(model, trained_range=(-64.0, 60.0))) == {}


def test_what_will_not_fit_is_told_before_the_link() -> None:
    large = unary("RELU", elements=140_000)  # in place, and the copy of the input
    ram = found(subject(large))["ram-overflow"]
    assert ram.does_not_fit
    assert ram.what == (
        "RAM: at least 280,000 bytes exceed nano33ble_sim's 262,144 by 17,856 bytes "
        "(largest: input 0 with 140,000)"
    )
    # Of the ESP32's 320 kB, 160 can be static.
    assert (
        "static RAM"
        in found(subject(unary("RELU", 60_000), "esp32dev", "tflm"))["ram-overflow"].what
    )
    assert found(subject(unary("RELU", 40_000), "esp32dev", "tflm")) == {}
    flash = found(subject(heavy(1_100_000)))["flash-overflow"]
    assert flash.what == (
        "flash: at least 1,100,000 bytes exceed nano33ble_sim's 1,048,576 by 51,424 bytes "
        "(largest: constant of op 0 FULLY_CONNECTED with 1,100,000)"
    )
    assert "flash-overflow" in found(subject(heavy(950_000), "nano33ble", "tflm"))
    assert found(subject(heavy(950_000))) == {}


# --- the machine ---------------------------------------------------------------------------------


def changed(**fields: object) -> Subject:
    return subject(machine=dataclasses.replace(MACHINE, **fields))


def test_missing_tools() -> None:
    nothing = found(changed(programs=("qemu-system-arm",)))["toolchain"]
    assert (nothing.level, nothing.remedy) == ("error", "apt install gcc-arm-none-eabi")
    assert found(changed(programs=("arm-none-eabi-gcc",)))["toolchain"].level == "warning"
    assert "owner/x@1" in found(changed(missing_packages=("owner/x@1",)))["toolchain"].what
    assert found(changed(tflm_interpreter=False))["golden-reference"].level == "warning"


def of_a_board(**fields: object) -> Subject:
    rights = dataclasses.replace(RIGHTS, **fields)
    machine = dataclasses.replace(MACHINE, toolchain=None, serial=rights)
    return subject(None, "nano33ble", "tflm", machine=machine)


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({}, None),
        ({"user_groups": ("user",)}, "usermod -aG dialout"),
        ({"user_groups": ("user",), "serial_groups": ("uucp",)}, "usermod -aG uucp"),
        ({"user_groups": ("user",), "superuser": True}, None),
        ({"user_groups": ("user",), "udev_rules": ('"2341", MODE:="0666"',)}, None),
        (
            {
                "devices": (
                    SerialDevice("/dev/ttyACM0", PortTrouble("is shut", "usermod -aG plugdev")),
                )
            },
            "usermod -aG plugdev",
        ),
        ({"devices": (SerialDevice("/dev/ttyACM0", None),), "user_groups": ()}, None),
    ],
)
def test_who_may_open_the_port(fields: dict[str, object], remedy: str | None) -> None:
    findings = found(of_a_board(**fields))
    assert set(findings) == (set() if remedy is None else {"serial-permission"})
    if remedy is not None:
        assert remedy in findings["serial-permission"].remedy


def test_modem_manager_is_harmless_behind_a_rule() -> None:
    assert "2341" in found(of_a_board(modem_manager=True))["modem-manager"].remedy
    rule = 'ATTRS{idVendor}=="2341", ENV{ID_MM_DEVICE_IGNORE}="1"'
    assert found(of_a_board(modem_manager=True, udev_rules=(rule,))) == {}


def test_our_own_kernels_compiled_for_size() -> None:
    def built_with(flags: str) -> Subject:
        machine = dataclasses.replace(MACHINE, toolchain=None, build_flags=flags)
        return subject(None, "esp32dev", "aot", machine=machine)

    assert "os-reference-kernels" in found(built_with("-ffp-contract=off"))
    assert "os-reference-kernels" in found(built_with("-g -U -O2"))
    assert found(built_with("-O2 -U -Os")) == {}
    for runtime in board("esp32dev").runtimes:  # as platformio.ini has it today
        machine = look_around(board("esp32dev"), runtime)
        ill = examine(subject(None, "esp32dev", runtime, machine=machine))
        assert "os-reference-kernels" not in {finding.id for finding in ill}


def test_the_facts_of_this_machine() -> None:
    emulated = look_around(board("nano33ble_sim"), "aot")
    assert emulated.toolchain is not None
    assert (emulated.toolchain.compiler, emulated.toolchain.packages) == (
        "arm-none-eabi-gcc",
        "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    )
    assert emulated.serial is None
    connected = look_around(board("nano33ble"), "tflm")
    assert connected.toolchain is None
    assert connected.serial is not None


# --- the command ---------------------------------------------------------------------------------


def test_the_page_lists_the_checks_there_are() -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"| `{check.id}` | {check.looks_for} |" for check in checks().values()]


def test_the_command_as_json(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "m.tflite").write_bytes(small_models.dense(scales=(0.5, 0.25)))
    arguments = ("doctor", "m.tflite", "--board", "nano33ble", "--runtime", "tflm", "--json")
    assert run(monkeypatch, tmp_path, *arguments) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["board"], shown["runtime"]) == ("nano33ble", "tflm")
    (finding,) = [f for f in shown["findings"] if f["level"] == "error"]
    assert finding["id"] == "per-channel-dense"
    assert all(finding[key] for key in ("what", "why", "remedy"))
    assert not (tmp_path / "runs").exists()
    assert run(monkeypatch, tmp_path, "doctor", "m.tflite", "--board", "host") == 0
    assert run(monkeypatch, tmp_path, "doctor") == 0


def test_an_error_stops_a_build_before_anything_is_generated(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "m.tflite").write_bytes(small_models.dense(scales=(0.5, 0.25)))
    arguments = ("build", "m.tflite", "--board", "nano33ble", "--runtime", "tflm", "--quiet")
    assert run(monkeypatch, tmp_path, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: doctor: per-channel-dense: op 0 FULLY_CONNECTED")
    assert error.count("\n") == 1
    assert not (tmp_path / "runs" / "m-nano33ble-tflm" / "generated").exists()


def test_a_model_that_cannot_fit_has_its_exit_code(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "m.tflite").write_bytes(unary("RELU", elements=140_000))
    assert run(monkeypatch, tmp_path, "build", "m.tflite", "--quiet") == 3
    assert "doctor: ram-overflow: RAM: at least 280,000 bytes" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path, "doctor", "m.tflite") == 1


def test_warnings_do_not_stop_a_build_and_are_kept_with_it(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "m.tflite").write_bytes(island())
    arguments = ("build", "m.tflite", "--board", "host", "--runtime", "tflm")
    assert run(monkeypatch, tmp_path, *arguments) == 0
    assert "warning: float-island: op 1 SIN" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path, "build", "runs/m-host-tflm") == 0
    assert "kept  warnings: float-island" in capsys.readouterr().err
