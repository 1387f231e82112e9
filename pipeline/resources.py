"""Finds the read-only sources that firmware is built from, in a checkout and in a wheel alike."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipeline.errors import ToolError

ResourceName = Literal["firmware", "templates", "platforms", "platformio.ini", "LICENSE"]

_PACKAGE = Path(__file__).resolve().parent


def project_dir() -> Path:
    """The folder with `platformio.ini`: `pipeline/_resources` in a wheel, else the checkout."""
    in_wheel = _PACKAGE / "_resources"
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent


def resource(name: ResourceName) -> Path:
    """Absolute path of a source folder or file; nothing may be written there.

    Raises:
        ToolError: the installation lacks it.
    """
    path = project_dir() / name
    if not path.exists():
        raise ToolError(
            f"resources: {name} is missing from {path.parent}",
            "install mcu-pipeline again, or run it from a complete checkout",
        )
    return path
