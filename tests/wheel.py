"""Builds the wheel of this checkout from a copy, so that the checkout stays as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESOURCES = ("firmware", "platforms", "templates", "platformio.ini", "LICENSE")


def source_copy(folder: Path) -> Path:
    """A copy of everything that a wheel is made from."""
    source = folder / "source"
    leavings = shutil.ignore_patterns("__pycache__", ".pio")
    for name in ("pipeline", *RESOURCES[:3]):
        shutil.copytree(ROOT / name, source / name, ignore=leavings)
    for name in ("LICENSE", "MANIFEST.in", "platformio.ini", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, source)
    (source / "README.md").write_text("")
    return source


def build_wheel(source: Path, folder: Path) -> Path:
    """The .whl, written to `folder`."""
    pip = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel
