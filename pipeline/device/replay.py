"""A serial.log as a device: the bytes that a board once sent, given again to the same requests."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from pipeline import protocol
from pipeline.device.link import LinkEndedError
from pipeline.errors import DeviceError

PREFIX = "replay:"
_FIRST_REPLY = 0x80  # types below are requests
_SAME = "replay it with the command, the model and the options that it was recorded with"


class ReplayLink:
    """Gives what came after each request of the log, once that request is made again.

    The log has the requests where they were sent, between the bytes that were received. So noise,
    damage, silence and retries are lived through as they were, and other requests are refused.
    """

    interruptions = 0

    def __init__(self, log: bytes, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        received, self._requests = _taken_apart(log)
        self._ready, *following = received
        self._following = deque(following)

    def read(self, limit_s: float) -> bytes:
        if not self._ready:
            if not self._requests:
                raise LinkEndedError("device: the log that is replayed ends here", _SAME)
            self._sleep(max(0.0, limit_s))
        data, self._ready = self._ready, b""
        return data

    def write(self, data: bytes) -> None:
        if not self._requests:
            return  # `read` tells
        if data != self._requests.popleft():
            raise DeviceError("device: the log that is replayed has another request here", _SAME)
        self._ready += self._following.popleft()

    def close(self) -> None:
        self._requests.clear()
        self._ready = b""


def open_replay(port: str) -> ReplayLink:
    """The link of `--port replay:serial.log`. Raises DeviceError where the log cannot be read."""
    return ReplayLink(read_log(port))


def read_log(port: str) -> bytes:
    """The log that a port names. Raises DeviceError where it cannot be read."""
    path = Path(port.removeprefix(PREFIX))
    try:
        return path.read_bytes()
    except OSError as error:
        raise DeviceError(f"device: {path} cannot be replayed: {error.strerror}") from error


def _taken_apart(log: bytes) -> tuple[list[bytes], deque[bytes]]:
    """What was received before the first request and after each, and the requests.

    A request stands in the log as it was sent, with a delimiter on either side of its own.
    """
    received: list[bytes] = []
    requests: deque[bytes] = deque()
    since = position = 0
    while (start := log.find(protocol.DELIMITER, position)) >= 0:
        end = log.find(protocol.DELIMITER, start + 1) + 1
        if end and _is_request(log[start:end]):
            received.append(log[since:start])
            requests.append(log[start:end])
            since = position = end
        else:
            position = start + 1
    return [*received, log[since:]], requests


def _is_request(piece: bytes) -> bool:
    frames = protocol.FrameReader().feed(piece)
    return len(frames) == 1 and frames[0].code < _FIRST_REPLY
