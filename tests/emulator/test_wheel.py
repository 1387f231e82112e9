"""The installed wheel does the main job from an empty folder and leaves itself as it was."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import small_models
from wheel import build_wheel, source_copy

pytestmark = pytest.mark.emulator


def snapshot(folder: Path) -> dict[str, tuple[str, float]]:
    """Path -> hash and time of every file."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def make_read_only(folder: Path) -> None:
    """For a user who is not root; what root writes, `snapshot` shows."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(path.stat().st_mode & ~0o222)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    target = tmp_path / "site-packages"
    wheel = build_wheel(source_copy(tmp_path), tmp_path)
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True)
    make_read_only(target)
    return target


def test_a_model_is_benchmarked_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    before = snapshot(installed)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "dense.tflite").write_bytes(small_models.dense_relu())
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert python("-c", "import pipeline; print(pipeline.__file__)").startswith(str(installed))
    report = json.loads(python("-m", "pipeline", "benchmark", "dense.tflite", "--json"))
    assert report["board"] == "nano33ble_sim"
    assert report["golden"] == {"compared": 32, "identical": True}
    run = folder / "runs" / "dense-nano33ble_sim-aot"
    assert "<!DOCTYPE html>" in (run / "report.html").read_text()
    assert {path.name for path in folder.iterdir()} == {"dense.tflite", "runs"}
    assert snapshot(installed) == before
