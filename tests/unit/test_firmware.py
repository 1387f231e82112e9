"""Building as a subprocess: what it started ends with it."""

from __future__ import annotations

import os
import select
from pathlib import Path

import pytest

from pipeline import firmware


def test_an_interrupted_build_leaves_no_compiler_behind(tmp_path: Path) -> None:
    line = tmp_path / "line"
    os.mkfifo(line)
    reader = os.open(line, os.O_RDONLY | os.O_NONBLOCK)
    # It is open before the first word is said: a reader sees no end of what never began.
    script = f"exec 3>'{line}'; sleep 60 & echo Compiling main.o; wait"

    def interrupt(file: str) -> None:
        assert file == "main.o"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        firmware._run_logged(
            ["sh", "-c", script], dict(os.environ), tmp_path, tmp_path / "build.log", interrupt
        )

    # The end of the file is there once nobody has it open for writing.
    ended, _, _ = select.select([reader], [], [], 10)
    assert ended
    assert os.read(reader, 1) == b""
    os.close(reader)
