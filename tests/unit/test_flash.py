"""Flashing hands PlatformIO the port, and its failures become one line."""

from __future__ import annotations

import fcntl
import os
import pty

import pytest

import small_models
from command import run
from pipeline import firmware
from pipeline.boards import board
from pipeline.device.port_access import require_usable
from pipeline.errors import DeviceError, DoesNotFitError, ToolError

NO_BOARD = """\
Processing nano33ble (platform: nordicnrf52@10.11.0; board: nano33ble; framework: arduino)
Configuring upload protocol...
Error: Please specify `upload_port` for environment or use global `--upload-port` option.
"""


@pytest.fixture
def commands(monkeypatch):
    """PlatformIO's command lines; it finds no board unless it is told a port."""
    seen = []

    def platformio(command, variables, folder, log, progress):
        seen.append(command)
        log.write_text(NO_BOARD)
        return 0 if "--upload-port" in command else 1

    monkeypatch.setattr(firmware, "require_packages", lambda environment, folders: None)
    monkeypatch.setattr(firmware, "_run_logged", platformio)
    return seen


def test_the_environment_and_the_port_are_platformios_arguments(tmp_path, commands):
    firmware.upload(tmp_path, board("nano33ble"), "aot", tmp_path / "build", "/dev/ttyACM3")
    [command] = commands
    assert command[command.index("--environment") + 1] == "nano33ble_aot"
    assert command[-4:] == ["--target", "upload", "--upload-port", "/dev/ttyACM3"]


def test_a_board_that_is_not_there_gives_one_line(tmp_path, commands):
    with pytest.raises(ToolError) as error:
        firmware.upload(tmp_path, board("nano33ble"), "tflm", tmp_path / "build")
    assert str(error.value) == (
        "flash: Please specify `upload_port` for environment or use global `--upload-port` option; "
        f"see {tmp_path}/build/upload.log"
    )


def test_what_runs_on_this_computer_is_not_flashed(monkeypatch, tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(small_models.dense_relu())
    arguments = ("--board", "host", "--runtime", "tflm", "--quiet")
    assert run(monkeypatch, tmp_path, "flash", "m.tflite", *arguments) == 1
    assert capsys.readouterr().err == (
        "Error: flash: host runs on this computer and takes no firmware; "
        "run it with: mcu-pipeline benchmark\n"
    )


def test_a_port_is_for_boards_alone(monkeypatch, tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(small_models.dense_relu())
    arguments = ("--board", "host", "--port", "/dev/ttyACM0", "--quiet")
    assert run(monkeypatch, tmp_path, "benchmark", "m.tflite", *arguments) == 2
    assert "--port is for boards, and host runs on this computer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (
            "Error: The program size (1400000 bytes) is greater than maximum allowed "
            "(1310720 bytes)\n",
            "build: flash: 1,400,000 bytes exceed esp32c3's 1,310,720 by 89,280 bytes",
        ),
        (
            "ld: region `dram0_0_seg' overflowed by 4096 bytes\n",
            "build: RAM: 4,096 bytes too many for esp32c3 (linker region dram0_0_seg)",
        ),
    ],
)
def test_what_a_vendors_build_finds_too_large_does_not_fit(monkeypatch, tmp_path, log, message):
    def platformio(command, variables, folder, log_file, progress):
        log_file.write_text(log)
        return 1

    monkeypatch.setattr(firmware, "require_packages", lambda environment, folders: None)
    monkeypatch.setattr(firmware, "_run_logged", platformio)
    with pytest.raises(DoesNotFitError) as error:
        firmware.build(tmp_path, board("esp32c3"), "aot", tmp_path / "build")
    assert str(error.value) == message


def test_a_port_that_cannot_be_used_is_told_before_the_upload(tmp_path):
    with pytest.raises(DeviceError) as error:
        require_usable(str(tmp_path / "ttyACM0"), ("2341:805a",))
    assert str(error.value) == f"device: {tmp_path}/ttyACM0 is not there"


def test_a_port_that_is_in_use_is_told_before_the_upload():
    master, slave = pty.openpty()
    fcntl.flock(slave, fcntl.LOCK_EX)
    with pytest.raises(DeviceError, match=r"^device: /dev/pts/\d+ is in use by another program; "):
        require_usable(os.ttyname(slave), ("2341:805a",))
    os.close(master)
    os.close(slave)
