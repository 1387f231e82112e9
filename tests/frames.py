"""The serial protocol a second time, plainly: what the firmware is tested against."""

from __future__ import annotations

import struct
import zlib

MAX_BODY = 2 + 1024 + 4

Frame = tuple[int, int, bytes]  # type, sequence, payload


def cobs_encode(data: bytes) -> bytes:
    encoded = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= 254:
            encoded += b"\xff" + run[:254]
            run = run[254:]
        encoded += bytes([len(run) + 1]) + run
    return bytes(encoded)


def cobs_decode(data: bytes) -> bytes | None:
    """None where a block reaches beyond the end."""
    decoded = bytearray()
    position = 0
    while position < len(data):
        code = data[position]
        block = data[position + 1 : position + code]
        if len(block) != code - 1:
            return None
        decoded += block
        position += code
        if code < 255 and position < len(data):
            decoded.append(0)
    return bytes(decoded)


def encode(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    body = bytes([kind, sequence]) + payload
    return b"\0" + cobs_encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0"


def decode(stream: bytes) -> list[Frame]:
    """All valid frames of a stream that starts and ends anywhere."""
    frames = []
    for chunk in stream.split(b"\0")[:-1]:
        body = cobs_decode(chunk)
        if body is None or not 6 <= len(body) <= MAX_BODY:
            continue
        if struct.pack("<I", zlib.crc32(body[:-4])) == body[-4:]:
            frames.append((body[0], body[1], body[2:-4]))
    return frames
