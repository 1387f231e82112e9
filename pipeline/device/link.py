"""What a device is reached over: a two-way stream of bytes."""

from __future__ import annotations

from typing import Protocol

from pipeline.errors import DeviceError


class LinkEndedError(DeviceError):
    """The other end is gone for good: a process ended, a port vanished."""


class Link(Protocol):
    """Implemented by processes and serial ports; tests script one.

    Attributes:
        interruptions: how often the stream broke and was taken up again; bytes were lost then, and
            the other end may have started anew.
    """

    interruptions: int

    def read(self, limit_s: float) -> bytes:
        """The bytes that are there, waiting for the first one up to `limit_s` seconds.

        Returns:
            Empty where none came in time.

        Raises:
            LinkEndedError: none is there and none can come.
        """

    def write(self, data: bytes) -> None:
        """Hands over all of `data`. Raises DeviceError where the other end does not take it."""

    def close(self) -> None:
        """Lets go of the other end; a process is ended. May be called twice."""
