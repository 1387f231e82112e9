"""Frames survive noise, splitting and concatenation; layouts are those of docs/protocol.md."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import protocol
from pipeline.errors import DeviceError

U8, U16, U32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
NAMES = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=12)

MESSAGES = st.one_of(
    st.builds(protocol.WriteInput, U32, st.binary(max_size=1020)),
    st.builds(protocol.Output, U32, st.binary(max_size=1020) | st.just(bytes(1020))),
    st.builds(protocol.ReadOutput, U32, U16),
    st.builds(protocol.Run, U16, U16),
    st.builds(protocol.Sample, U16, U32),
    st.builds(protocol.RunDone, U16, U32, U32, st.integers(0, 2**64 - 1)),
    st.builds(protocol.StepCrc, U16, U32),
    st.builds(protocol.ErrorReply, U8, NAMES),
    st.builds(
        protocol.Info, U8, U16, U32, U32, U32, U32, U16,
        st.binary(min_size=32, max_size=32), NAMES, NAMES, NAMES,
    ),
    st.sampled_from(
        [protocol.Hello(), protocol.Infer(), protocol.Profile(), protocol.Check(), protocol.Ack()]
    ),
)  # fmt: skip


@given(
    messages=st.lists(st.tuples(MESSAGES, U8), max_size=5),
    noise=st.lists(st.binary(max_size=40), min_size=6, max_size=6),
    piece_bytes=st.integers(1, 700),
)
def test_frames_survive_noise_splitting_and_concatenation(messages, noise, piece_bytes):
    stream = noise[0]
    for (message, sequence), following in zip(messages, noise[1:], strict=False):
        stream += protocol.encode(message, sequence) + following
    reader = protocol.FrameReader()
    frames = []
    for start in range(0, len(stream), piece_bytes):
        frames += reader.feed(stream[start : start + piece_bytes])
    assert [(f.message, f.sequence) for f in frames] == messages


@given(message=MESSAGES, position=st.integers(0), change=st.integers(1, 255))
def test_a_damaged_frame_is_dropped_and_the_next_one_read(message, position, change):
    damaged = bytearray(protocol.encode(message, 7))
    damaged[position % len(damaged)] ^= change
    frames = protocol.FrameReader().feed(bytes(damaged) + protocol.encode(protocol.Done(3), 8))
    assert [(f.message, f.sequence) for f in frames] == [(protocol.Done(3), 8)]


@given(st.binary(max_size=1100) | st.lists(st.just(1), max_size=1100).map(bytes))
def test_cobs_has_no_zero_and_its_inverse(data):
    encoded = protocol.cobs_encode(data)
    assert 0 not in encoded
    assert len(encoded) <= len(data) + len(data) // 254 + 1
    assert protocol.cobs_decode(encoded) == data


@pytest.mark.parametrize(
    ("data", "encoded"),
    [  # Wikipedia's "Consistent Overhead Byte Stuffing", encoding examples
        ("00", "0101"),
        ("0000", "010101"),
        ("001100", "01021101"),
        ("11220033", "0311220233"),
        ("11000000", "0211010101"),
        (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
        (bytes(range(255)).hex(), "01ff" + bytes(range(1, 255)).hex()),
        (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02ff"),
        ((bytes(range(2, 256)) + b"\0").hex(), "ff" + bytes(range(2, 256)).hex() + "0101"),
    ],
)
def test_cobs_agrees_with_published_examples(data, encoded):
    assert protocol.cobs_encode(bytes.fromhex(data)).hex() == encoded
    assert protocol.cobs_decode(bytes.fromhex(encoded)) == bytes.fromhex(data)


def test_layout_of_a_frame_by_hand():
    # type, sequence, offset little endian, data; no zero in it but the offset's upper bytes
    content = bytes.fromhex("02 2a 10010000 aabb")
    body = content + zlib.crc32(content).to_bytes(4, "little")
    frame = protocol.encode(protocol.WriteInput(offset=0x110, data=b"\xaa\xbb"), sequence=0x2A)
    assert frame == b"\0" + bytes([5]) + body[:4] + b"\1" + bytes([7]) + body[6:] + b"\0"


@pytest.mark.parametrize(
    ("code", "payload"), [(0x83, b"\1"), (0x83, bytes(5)), (0x80, b"x"), (0x81, bytes(57))]
)
def test_a_malformed_payload_is_refused(code, payload):
    with pytest.raises(DeviceError, match=r"has a malformed payload of \d+ bytes"):
        _ = protocol.Frame(code, 1, payload).message


def test_an_unknown_type_is_refused():
    with pytest.raises(DeviceError, match="message type 0x42 is not known"):
        _ = protocol.Frame(0x42, 1, b"").message


def test_endless_noise_is_counted_and_not_kept():
    reader = protocol.FrameReader()
    for _ in range(64):
        assert reader.feed(b"x" * 65536) == []
    assert len(reader._chunk) < 70_000
    frames = reader.feed(protocol.encode(protocol.Ack(), 1))
    assert [f.message for f in frames] == [protocol.Ack()]
    assert reader.noise_bytes == 64 * 65536
