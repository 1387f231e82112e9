"""Firmware that runs as a process of this computer, in an emulator or by itself."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.device.link import LinkEndedError
from pipeline.errors import DeviceError, ToolError

_READ_BYTES = 65536
_WRITE_LIMIT_S = 10.0
_EXIT_LIMIT_S = 5.0


class ProcessLink:
    """A process whose stdin and stdout are the firmware's serial line.

    Raises:
        ToolError: the program cannot be started.
    """

    interruptions = 0  # a pipe that broke stays broken

    def __init__(self, command: Sequence[str]) -> None:
        self._name = Path(command[0]).name
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)
        try:
            self._process = subprocess.Popen(
                ends_with_this_process(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
            )
        except OSError as error:
            self._stderr.close()
            raise ToolError(
                f"device: {command[0]} cannot be started: {error.strerror}",
                "run make setup, which installs the emulators",
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        self._readable = _poll(self._stdout.fileno(), select.POLLIN)
        self._writable = _poll(self._stdin.fileno(), select.POLLOUT)

    def read(self, limit_s: float) -> bytes:
        if not self._readable.poll(max(0.0, limit_s) * 1000):
            return b""
        data = os.read(self._stdout.fileno(), _READ_BYTES)
        if not data:
            raise LinkEndedError(self._ending())
        return data

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            if not self._writable.poll(_WRITE_LIMIT_S * 1000):
                raise DeviceError(f"device: {self._name} takes no bytes for {_WRITE_LIMIT_S:g} s")
            try:
                rest = rest[os.write(self._stdin.fileno(), rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return  # `read` gives what it still said, then how it ended

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()
        self._stderr.close()

    def _ending(self) -> str:
        try:
            code = self._process.wait(_EXIT_LIMIT_S)
        except subprocess.TimeoutExpired:
            return f"device: {self._name} closed its serial line"
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        self._stderr.seek(0)
        lines = self._stderr.read(_READ_BYTES).decode("utf-8", "replace").strip().splitlines()
        return f"device: {self._name} ended with {how}" + (f": {lines[-1]}" if lines else "")


def _poll(descriptor: int, event: int) -> select.poll:
    poll = select.poll()
    poll.register(descriptor, event)
    return poll


def ends_with_this_process(command: Sequence[str]) -> list[str]:
    """An emulator whose parent was killed would keep a core busy for ever: the kernel ends it.

    util-linux's setpriv asks for that and then becomes the program; it belongs to Debian's base.
    """
    program = shutil.which(command[0])
    setpriv = shutil.which("setpriv")
    if setpriv is None or program is None:  # a missing program is Popen's to report
        return list(command)
    return [setpriv, "--pdeathsig", "KILL", "--", program, *command[1:]]
