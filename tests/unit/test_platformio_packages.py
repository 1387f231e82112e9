"""What PlatformIO would have to download is found by looking, and told before any waiting."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from pipeline import boards, firmware
from pipeline.errors import ToolError
from pipeline.firmware import platformio_packages
from pipeline.firmware.platformio_packages import PackageFolders, missing_packages, package_folders
from pipeline.resources import project_dir

PLATFORM = "nordicnrf52@10.11.0"
LIBRARY = "spaziochirale/Chirale_TensorFLowLite@2.0.0"


@pytest.fixture
def folders(tmp_path: Path) -> PackageFolders:
    return PackageFolders(tmp_path / "core", tmp_path / "libraries")


def install_platform(folders: PackageFolders, version: str) -> None:
    folder = folders.core / "platforms" / f"nordicnrf52@{version}"
    folder.mkdir(parents=True)
    packages = {"toolchain-gccarmnoneeabi": {}, "tool-jlink": {"optional": True}}
    facts = {"name": "nordicnrf52", "version": version, "packages": packages}
    (folder / "platform.json").write_text(json.dumps(facts))


def install_toolchain(folders: PackageFolders) -> None:
    (folders.core / "packages" / "toolchain-gccarmnoneeabi").mkdir(parents=True)


def test_nothing_installed(folders: PackageFolders) -> None:
    assert missing_packages("nano33ble", folders) == (PLATFORM, LIBRARY)
    assert missing_packages("nano33ble_aot", folders) == (PLATFORM,)
    assert missing_packages("nano33ble_sim_tflm", folders) == (LIBRARY,)
    assert missing_packages("nano33ble_sim", folders) == ()
    assert missing_packages("host", folders) == ()


def test_another_version_of_the_platform_does_not_count(folders: PackageFolders) -> None:
    install_platform(folders, "9.6.0")
    assert missing_packages("nano33ble_aot", folders) == (PLATFORM,)


def test_a_platform_is_complete_with_the_packages_that_it_always_needs(
    folders: PackageFolders,
) -> None:
    install_platform(folders, "10.11.0")
    assert missing_packages("nano33ble_aot", folders) == ("toolchain-gccarmnoneeabi",)
    install_toolchain(folders)
    assert missing_packages("nano33ble_aot", folders) == ()
    assert missing_packages("nano33ble", folders) == (LIBRARY,)
    (folders.libraries / "nano33ble" / "Chirale_TensorFLowLite").mkdir(parents=True)
    assert missing_packages("nano33ble", folders) == ()


def test_folders_are_platformios_own_unless_the_user_says_otherwise() -> None:
    assert package_folders({}).core == Path.home() / ".platformio"
    own = package_folders({"PLATFORMIO_CORE_DIR": "/c", "PLATFORMIO_LIBDEPS_DIR": "/l"})
    assert own == PackageFolders(Path("/c"), Path("/l"))


def test_a_build_without_platform_and_registry_ends_at_once_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))
    monkeypatch.setattr("platformio.__registry_mirror_hosts__", ["localhost:1"])
    started = time.monotonic()
    with pytest.raises(ToolError) as error:
        firmware.build(tmp_path / "generated", boards.board("nano33ble"), "tflm", tmp_path / "b")
    assert time.monotonic() - started < 20
    assert str(error.value) == (
        f"build: {PLATFORM} and {LIBRARY} are not installed and PlatformIO's registry is out of "
        f"reach; with a network: PLATFORMIO_LIBDEPS_DIR={tmp_path}/mcu-pipeline-libraries "
        f"pio pkg install --project-dir {project_dir()} --environment nano33ble; "
        "--board nano33ble_sim --runtime aot needs none of it"
    )
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("hosts", "answers"),
    [
        (["silent", "there"], True),
        (["silent", "gone"], False),
        (["gone", "gone"], False),
    ],
)
def test_a_server_that_is_silent_is_not_waited_for(
    hosts: list[str], answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(host: str) -> bool:
        if host == "silent":
            threading.Event().wait()
        return host == "there"

    monkeypatch.setattr("platformio.__registry_mirror_hosts__", hosts)
    monkeypatch.setattr(platformio_packages, "_answers", ask)
    monkeypatch.setattr(platformio_packages, "_CONNECT_LIMIT_S", 5.0 if answers else 0.1)
    assert platformio_packages._registry_answers() is answers
