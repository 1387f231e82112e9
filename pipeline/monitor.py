"""What a serial line says, as lines for people: text, and the protocol's frames decoded."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from pipeline import protocol
from pipeline.errors import DeviceError

# What neither a line's end nor a delimiter ends is shown in pieces of this length; no firmware of
# ours sends longer frames.
_LONGEST_PIECE = 4096
_SHOWN_BYTES = 16
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # ESP-IDF's log has them


class Decoder:
    """Turns bytes, in pieces of any size, into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        *ended, self._rest = (self._rest + data).split(protocol.DELIMITER)
        lines = [line for piece in ended for line in _piece(piece)]
        *texts, rest = self._rest.split(b"\n")
        if texts and _is_text(
            b"\n".join(texts)
        ):  # else the start of a frame, which may have any byte
            lines += map(_text, texts)
            self._rest = rest
        while len(self._rest) > _LONGEST_PIECE:
            lines.append(_text(self._rest[:_LONGEST_PIECE]))
            self._rest = self._rest[_LONGEST_PIECE:]
        return lines

    def flush(self) -> list[str]:
        """What has come since the last line: a prompt, or a frame that was cut off."""
        rest, self._rest = self._rest, b""
        return list(_piece(rest))


def _piece(piece: bytes) -> Iterator[str]:
    """Lines of what stands between two delimiters."""
    if not piece:
        return
    frames = protocol.FrameReader().feed(piece + protocol.DELIMITER)
    if frames:
        yield describe(frames[0])
        return
    lines = piece.split(b"\n")
    yield from (_text(line) for line in (lines if lines[-1] else lines[:-1]))


def describe(frame: protocol.Frame) -> str:
    """One line: the message's type, its request's number, its fields."""
    try:
        message = frame.message
    except DeviceError:
        return f"#{frame.sequence} type 0x{frame.code:02x}, {len(frame.payload)} bytes"
    fields = [f"{f.name}={_value(getattr(message, f.name))}" for f in dataclasses.fields(message)]
    return " ".join([f"#{frame.sequence}", type(message).__name__, *fields])


def _value(value: int | str | bytes) -> str:
    if isinstance(value, bytes):
        more = "..." if len(value) > _SHOWN_BYTES else ""
        return f"{value[:_SHOWN_BYTES].hex()}{more} ({len(value)} bytes)"
    return str(value)


def _is_text(data: bytes) -> bool:
    return all(byte >= 0x20 or byte in b"\t\r\n\x1b" for byte in data) and data.isascii()


def _text(line: bytes) -> str:
    """A line as a terminal may show it: what could move its cursor is escaped."""
    text = _COLOURS.sub("", line.rstrip(b"\r").decode("utf-8", "backslashreplace"))
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)
