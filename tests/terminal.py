"""A pseudo terminal in the place of a board's serial port."""

from __future__ import annotations

import os
import pty
import subprocess
import tty
from pathlib import Path


class Terminal:
    """A serial port with a board behind it, at a path that this can put there and take away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._board_end = -1
        self._process: subprocess.Popen[bytes] | None = None

    def appear(self, *command: str | Path) -> None:
        """Connects a board that runs `command`; without one it is mute."""
        self._board_end, host_end = pty.openpty()
        tty.setraw(host_end)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(host_end))
        if command:
            self._process = subprocess.Popen(command, stdin=self._board_end, stdout=self._board_end)
        os.close(host_end)

    def say(self, text: bytes) -> None:
        os.write(self._board_end, text)

    def vanish(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._board_end >= 0:
            os.close(self._board_end)
            self._board_end = -1
        self.path.unlink(missing_ok=True)
