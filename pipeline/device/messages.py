"""A device's messages as the host reads them: refused, or taken apart."""

from __future__ import annotations

from pipeline import protocol
from pipeline.errors import DeviceError

LONGEST_TEXT = 120
OTHER_FIRMWARE = "flash firmware of this version"


def one_line(text: str) -> str:
    """A device's text as a message may have it."""
    return "".join(c if c.isprintable() else "?" for c in text[:LONGEST_TEXT])


def readable(line: str) -> bool:
    """Whether a line of noise is text after all."""
    return bool(line) and line.isascii() and line.isprintable()


def check_info(info: protocol.Info, model_sha256: str | None) -> None:
    """Raises DeviceError for a device that this host cannot work with, or of another model."""
    if info.protocol != protocol.PROTOCOL_VERSION:
        raise DeviceError(
            f"device: speaks protocol {info.protocol}, this host {protocol.PROTOCOL_VERSION}",
            OTHER_FIRMWARE,
        )
    if info.max_payload <= protocol.OFFSET_BYTES:
        raise DeviceError(f"device: takes payloads of {info.max_payload} bytes only")
    if info.counter_hz == 0:
        raise DeviceError("device: its counter stands still")
    if model_sha256 is not None and info.model_sha256.hex() != model_sha256:
        raise DeviceError(
            f"device: runs the model with sha256 {info.model_sha256.hex()[:16]}..., "
            f"not {model_sha256[:16]}...",
            "flash the firmware that was built for this model",
        )


def item_count(end: protocol.Message) -> int:
    """Number of items that the device says it sent."""
    match end:
        case protocol.RunDone(runs=count) | protocol.Done(count=count):
            return count
    raise TypeError(f"{type(end).__name__} ends no stream")


def item_entry(item: protocol.Message) -> tuple[int, int]:
    """Position and value of a stream's item."""
    match item:
        case protocol.Sample(index=index, ticks=value):
            return index, value
        case protocol.StepTicks(step=index, ticks=value):
            return index, value
        case protocol.StepCrc(step=index, crc32=value):
            return index, value
    raise TypeError(f"{type(item).__name__} is no item of a stream")


def message_name(message: protocol.Message) -> str:
    """As docs/protocol.md spells it, but in camel case."""
    return type(message).__name__


def unexpected(request: protocol.Request, reply: protocol.Message) -> DeviceError:
    """The error for a reply that the protocol does not have there."""
    return DeviceError(f"device: answered {message_name(request)} with {message_name(reply)}")
