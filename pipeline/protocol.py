"""The serial protocol of docs/protocol.md: bytes <-> typed messages, without input or output."""

from __future__ import annotations

import struct
import zlib
from dataclasses import astuple, dataclass
from enum import Enum

from pipeline.errors import DeviceError

PROTOCOL_VERSION = 1
# Offset of WRITE_INPUT and OUTPUT, which counts towards `Info.max_payload`.
OFFSET_BYTES = 4

DELIMITER = b"\x00"
_CRC = struct.Struct("<I")
_HEADER_BYTES = 2
_LONGEST_RUN = 254
# The largest payload that `Info.max_payload` can state, with header, checksum and COBS overhead.
_LONGEST_CHUNK = 0xFFFF + _HEADER_BYTES + _CRC.size + 0xFFFF // _LONGEST_RUN + 2


@dataclass(frozen=True)
class Hello:
    """Asks for INFO."""


@dataclass(frozen=True)
class WriteInput:
    """Bytes for the staging area, which holds all inputs end to end in the model's order."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class Infer:
    """One inference on the staged input."""


@dataclass(frozen=True)
class ReadOutput:
    """`count` bytes of all outputs laid end to end in the model's order."""

    offset: int
    count: int


@dataclass(frozen=True)
class Run:
    """Timed inferences on the staged input, after `warmups` untimed ones."""

    warmups: int
    runs: int


@dataclass(frozen=True)
class Profile:
    """One inference, every step timed."""


@dataclass(frozen=True)
class Check:
    """One inference, a checksum of every step's output."""


@dataclass(frozen=True)
class GetClocks:
    """Asks for CLOCKS."""


@dataclass(frozen=True)
class Ack:
    """The request was carried out and has no result."""


@dataclass(frozen=True)
class Info:
    """What the device is and runs.

    Attributes:
        max_payload: longest payload, in bytes, of a frame in either direction.
        counter_hz: ticks per second of the counter behind every `ticks`.
        arena_bytes: activations, inputs, outputs and scratch.
        input_bytes: all inputs together; `output_bytes` likewise.
        model_sha256: digest of the .tflite file, 32 bytes.
    """

    protocol: int
    max_payload: int
    counter_hz: int
    arena_bytes: int
    input_bytes: int
    output_bytes: int
    step_count: int
    model_sha256: bytes
    board: str
    runtime: str
    firmware_version: str


@dataclass(frozen=True)
class Inferred:
    """An inference took `ticks`."""

    ticks: int


@dataclass(frozen=True)
class Output:
    """Answer to ReadOutput."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class Sample:
    """One timed inference of a run; `index` counts from 0."""

    index: int
    ticks: int


@dataclass(frozen=True)
class RunDone:
    """The device's own statistics of a run, in ticks."""

    runs: int
    min_ticks: int
    max_ticks: int
    total_ticks: int


@dataclass(frozen=True)
class StepTicks:
    """Duration of one step."""

    step: int
    ticks: int


@dataclass(frozen=True)
class StepCrc:
    """CRC-32 (zlib's) over a step's whole output tensors, in order."""

    step: int
    crc32: int


@dataclass(frozen=True)
class Done:
    """End of a stream of `count` replies."""

    count: int


@dataclass(frozen=True)
class Clocks:
    """The device's clocks, read one after the other.

    Attributes:
        counter: ticks of `Info.counter_hz` since reset, however often the counter wrapped.
        reference: ticks of a second clock, which wraps at 2^32.
        reference_hz: its rate; 0 where the board has none.
    """

    counter: int
    reference: int
    reference_hz: int


@dataclass(frozen=True)
class ErrorReply:
    """The device cannot carry out the request; `code` as in docs/protocol.md."""

    code: int
    text: str


Request = Hello | WriteInput | Infer | ReadOutput | Run | Profile | Check | GetClocks
Reply = (
    Ack
    | Info
    | Inferred
    | Output
    | Sample
    | RunDone
    | StepTicks
    | StepCrc
    | Done
    | Clocks
    | ErrorReply
)
Message = Request | Reply


class _Tail(Enum):
    """What follows a payload's fixed part."""

    NONE = 0
    BYTES = 1
    TEXT = 2
    STRINGS = 3  # each ends in NUL


@dataclass(frozen=True)
class _Layout:
    """A payload: the first fields of `message` as `fixed`, the others as `tail`."""

    code: int
    message: type[Message]
    fixed: struct.Struct
    tail: _Tail = _Tail.NONE


_LAYOUTS = (
    _Layout(0x01, Hello, struct.Struct("<")),
    _Layout(0x02, WriteInput, struct.Struct("<I"), _Tail.BYTES),
    _Layout(0x03, Infer, struct.Struct("<")),
    _Layout(0x04, ReadOutput, struct.Struct("<IH")),
    _Layout(0x05, Run, struct.Struct("<HH")),
    _Layout(0x06, Profile, struct.Struct("<")),
    _Layout(0x07, Check, struct.Struct("<")),
    _Layout(0x08, GetClocks, struct.Struct("<")),
    _Layout(0x80, Ack, struct.Struct("<")),
    _Layout(0x81, Info, struct.Struct("<BHIIIIH32s"), _Tail.STRINGS),
    _Layout(0x83, Inferred, struct.Struct("<I")),
    _Layout(0x84, Output, struct.Struct("<I"), _Tail.BYTES),
    _Layout(0x85, Sample, struct.Struct("<HI")),
    _Layout(0x86, RunDone, struct.Struct("<HIIQ")),
    _Layout(0x87, StepTicks, struct.Struct("<HI")),
    _Layout(0x88, StepCrc, struct.Struct("<HI")),
    _Layout(0x89, Done, struct.Struct("<H")),
    _Layout(0x8A, Clocks, struct.Struct("<QII")),
    _Layout(0xFF, ErrorReply, struct.Struct("<B"), _Tail.TEXT),
)
_BY_CODE = {layout.code: layout for layout in _LAYOUTS}
_BY_MESSAGE = {layout.message: layout for layout in _LAYOUTS}


@dataclass(frozen=True)
class Frame:
    """A frame whose checksum was right; its payload is not interpreted yet."""

    code: int
    sequence: int
    payload: bytes

    @property
    def message(self) -> Message:
        """The typed message. Raises DeviceError where type or payload are not the protocol's."""
        layout = _BY_CODE.get(self.code)
        if layout is None:
            raise DeviceError(f"device: message type 0x{self.code:02x} is not known")
        name = layout.message.__name__
        try:
            fixed = layout.fixed.unpack_from(self.payload)
            tail = _decode_tail(layout, self.payload[layout.fixed.size :])
            return layout.message(*fixed, *tail)
        except (struct.error, ValueError, TypeError) as error:
            raise DeviceError(
                f"device: {name} has a malformed payload of {len(self.payload)} bytes",
                "flash firmware of this version",
            ) from error


def encode(message: Message, sequence: int) -> bytes:
    """The whole frame, delimiters included.

    Args:
        sequence: 0 to 255; replies carry that of their request.

    Raises:
        struct.error: a field exceeds its width.
    """
    layout = _BY_MESSAGE[type(message)]
    values = astuple(message)
    fixed_count = len(values) - _tail_field_count(layout)
    payload = layout.fixed.pack(*values[:fixed_count]) + _encode_tail(layout, values[fixed_count:])
    content = bytes((layout.code, sequence)) + payload
    return DELIMITER + cobs_encode(content + _CRC.pack(zlib.crc32(content))) + DELIMITER


def _tail_field_count(layout: _Layout) -> int:
    if layout.tail is _Tail.NONE:
        return 0
    return 3 if layout.tail is _Tail.STRINGS else 1


def _encode_tail(layout: _Layout, values: tuple[bytes | str, ...]) -> bytes:
    encoded = [v if isinstance(v, bytes) else v.encode() for v in values]
    if layout.tail is _Tail.STRINGS:
        return b"".join(value + b"\x00" for value in encoded)
    return b"".join(encoded)


def _decode_tail(layout: _Layout, content: bytes) -> tuple[bytes | str, ...]:
    if layout.tail is _Tail.BYTES:
        return (content,)
    if layout.tail is _Tail.TEXT:
        return (content.decode("utf-8", "replace"),)
    if layout.tail is _Tail.STRINGS:
        *strings, rest = content.split(b"\x00")
        if rest or len(strings) != _tail_field_count(layout):
            raise ValueError("strings are not NUL-terminated")
        return tuple(text.decode("utf-8", "replace") for text in strings)
    if content:
        raise ValueError("payload too long")
    return ()


class FrameReader:
    """Finds frames in a stream of bytes that arrives in pieces of any size.

    Attributes:
        noise_bytes: bytes outside of valid frames so far: text, damaged frames.
    """

    def __init__(self) -> None:
        self.noise_bytes = 0
        self._chunk = bytearray()

    @property
    def unfinished(self) -> bytes:
        """What came after the last delimiter: the start of a frame, or text."""
        return bytes(self._chunk)

    def feed(self, data: bytes) -> list[Frame]:
        """Takes the next bytes and gives the frames they complete."""
        frames = []
        *ended, rest = data.split(DELIMITER)
        for piece in ended:
            self._append(piece)
            chunk, self._chunk = bytes(self._chunk), bytearray()
            if chunk:
                frame = _parse(chunk)
                if frame is None:
                    self.noise_bytes += len(chunk)
                else:
                    frames.append(frame)
        self._append(rest)
        return frames

    def _append(self, piece: bytes) -> None:
        """Keeps memory bounded: a chunk longer than any frame only counts as noise."""
        self._chunk += piece
        excess = len(self._chunk) - _LONGEST_CHUNK - 1
        if excess > 0:
            del self._chunk[:excess]
            self.noise_bytes += excess


def _parse(chunk: bytes) -> Frame | None:
    """The frame between two delimiters, or None for noise."""
    body = cobs_decode(chunk)
    if body is None or len(body) < _HEADER_BYTES + _CRC.size:
        return None
    content, checksum = body[: -_CRC.size], body[-_CRC.size :]
    if _CRC.pack(zlib.crc32(content)) != checksum:
        return None
    return Frame(code=content[0], sequence=content[1], payload=content[_HEADER_BYTES:])


def cobs_encode(data: bytes) -> bytes:
    """Consistent overhead byte stuffing (Cheshire and Baker, 1999): the result holds no 0x00."""
    out = bytearray()
    runs = data.split(b"\x00")
    for index, run in enumerate(runs):
        while len(run) >= _LONGEST_RUN:
            out.append(_LONGEST_RUN + 1)
            out += run[:_LONGEST_RUN]
            run = run[_LONGEST_RUN:]
            if not run and index == len(runs) - 1:
                return bytes(out)  # a full block at the very end implies no zero to strip
        out.append(len(run) + 1)
        out += run
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """Inverse of `cobs_encode`; None where `data` is not the result of an encoder."""
    out = bytearray()
    position = 0
    while position < len(data):
        code = data[position]
        run = data[position + 1 : position + code]
        if code == 0 or len(run) != code - 1:
            return None
        out += run
        position += code
        if code <= _LONGEST_RUN and position < len(data):
            out.append(0)
    return bytes(out)
