"""Runs the command line within the test's process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline import cli


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: object) -> int:
    """Exit code of `mcu-pipeline ARGUMENTS` in `folder`."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["mcu-pipeline", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)
