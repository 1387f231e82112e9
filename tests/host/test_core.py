"""The benchmark core as a process of this computer, under ASan and UBSan, with a scripted model."""

from __future__ import annotations

import random
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

import frames
import scripted_model as model
from pipeline.resources import resource

VECTOR = bytes(range(1, 256)) + bytes(45)
ACK, INFO, INFERRED, OUTPUT, ERROR = 0x80, 0x81, 0x83, 0x84, 0xFF
SAMPLE, RUN_DONE, STEP_TICKS, STEP_CRC, DONE = 0x85, 0x86, 0x87, 0x88, 0x89


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generated = model.write_scripted_model(tmp_path_factory.mktemp("core") / "generated")
    sources = resource("firmware")
    program = generated / "firmware"
    parts = [sources / "core", sources / "runtimes" / "aot", sources / "ports" / "host", generated]
    files = [str(path) for part in parts for path in sorted(part.glob("*.c"))]
    includes = [f"-I{folder}" for folder in (generated, sources / "include")]
    flags = ["-std=c11", '-DBOARD_ID="host"', "-O1", "-g", "-Wall", "-Wextra", "-Werror"]
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = ["gcc", *flags, *sanitizers, *includes, *files, "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def converse(program: Path, *requests: bytes) -> list[frames.Frame]:
    """All replies after the greeting's INFO; the firmware ends when its input does."""
    done = subprocess.run([program], input=b"".join(requests), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    greeting, *replies = frames.decode(done.stdout)
    assert greeting[:2] == (INFO, 0)
    return replies


def write_input(loops: int = 0, vector: bytes = VECTOR) -> bytes:
    return frames.encode(0x02, 1, struct.pack("<I", 0) + model.model_input(loops, vector))


def read_output(offset: int, count: int) -> bytes:
    return frames.encode(0x04, 3, struct.pack("<IH", offset, count))


def test_greets_with_a_line_and_info(firmware: Path) -> None:
    done = subprocess.run([firmware], input=b"", capture_output=True, timeout=60)

    line, _, rest = done.stdout.partition(b"\r\n")
    assert line == b"mcu-pipeline host aot scripted"
    [(kind, sequence, payload)] = frames.decode(rest)
    assert (kind, sequence) == (INFO, 0)
    fixed = struct.unpack_from("<BHIIIIH32s", payload)
    assert fixed == (
        1, 1024, 100_000_000, model.ARENA_BYTES, model.INPUT_BYTES, model.OUTPUT_BYTES, 2,
        model.SHA256,
    )  # fmt: skip
    board, runtime, version, end = payload[53:].split(b"\0")
    assert (board, runtime, end) == (b"host", b"aot", b"")
    assert version.count(b".") == 2


def test_every_inference_starts_from_the_staged_input(firmware: Path) -> None:
    infer = frames.encode(0x03, 2)
    replies = converse(firmware, write_input(5), infer, infer, read_output(0, model.OUTPUT_BYTES))

    assert [reply[:2] for reply in replies] == [(ACK, 1), (INFERRED, 2), (INFERRED, 2), (OUTPUT, 3)]
    assert replies[-1][2] == struct.pack("<I", 0) + model.model_output(5, VECTOR)


@pytest.mark.parametrize(("offset", "count"), [(0, 1), (299, 2), (300, 4), (150, 0), (304, 0)])
def test_reads_any_part_of_the_outputs(firmware: Path, offset: int, count: int) -> None:
    replies = converse(firmware, write_input(9), frames.encode(0x03, 2), read_output(offset, count))

    part = model.model_output(9, VECTOR)[offset : offset + count]
    assert replies[-1] == (OUTPUT, 3, struct.pack("<I", offset) + part)


def test_input_arrives_in_any_order_of_parts(firmware: Path) -> None:
    whole = model.model_input(77, VECTOR)
    parts = [
        frames.encode(0x02, 1, struct.pack("<I", at) + whole[at : at + 100])
        for at in (300, 0, 200, 100)
    ]
    replies = converse(firmware, *parts, frames.encode(0x03, 2), read_output(0, model.OUTPUT_BYTES))

    assert replies[-1][2][4:] == model.model_output(77, VECTOR)


def test_run_reports_every_sample_and_their_statistics(firmware: Path) -> None:
    replies = converse(firmware, write_input(), frames.encode(0x05, 4, struct.pack("<HH", 2, 7)))

    samples = [struct.unpack("<HI", payload) for kind, _, payload in replies if kind == SAMPLE]
    ticks = [sample for _, sample in samples]
    assert [index for index, _ in samples] == list(range(7))
    assert replies[-1][:2] == (RUN_DONE, 4)
    assert struct.unpack("<HIIQ", replies[-1][2]) == (7, min(ticks), max(ticks), sum(ticks))


def test_profile_and_check_report_every_step(firmware: Path) -> None:
    replies = converse(firmware, write_input(3), frames.encode(0x06, 5), frames.encode(0x07, 6))

    assert [reply[0] for reply in replies[1:]] == [STEP_TICKS] * 2 + [DONE] + [STEP_CRC] * 2 + [
        DONE
    ]
    assert [struct.unpack_from("<H", payload)[0] for _, _, payload in replies[1:]] == [
        0, 1, 2, 0, 1, 2,
    ]  # fmt: skip
    outputs = [model.reversed_vector(VECTOR), model.model_output(3, VECTOR)]
    assert [struct.unpack("<HI", payload)[1] for _, _, payload in replies[4:6]] == [
        zlib.crc32(output) for output in outputs
    ]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (frames.encode(0x00, 8), 1),
        (frames.encode(0x42, 8, b"abc"), 1),
        (frames.encode(0x01, 8, b"x"), 2),
        (frames.encode(0x02, 8, b"\0\0\0"), 2),
        (frames.encode(0x04, 8, bytes(5)), 2),
        (frames.encode(0x05, 8, bytes(3)), 2),
        (frames.encode(0x05, 8, struct.pack("<HH", 3, 0)), 3),
        (frames.encode(0x02, 8, struct.pack("<I", 300) + bytes(5)), 3),
        (frames.encode(0x02, 8, struct.pack("<I", 0xFFFFFFFF) + bytes(5)), 3),
        (frames.encode(0x04, 8, struct.pack("<IH", 304, 1)), 3),
        (frames.encode(0x04, 8, struct.pack("<IH", 0xFFFFFFFF, 2)), 3),
        (frames.encode(0x04, 8, struct.pack("<IH", 0, 1021)), 3),
    ],
)
def test_refuses_what_it_cannot_answer(firmware: Path, request_: bytes, code: int) -> None:
    [(kind, sequence, payload)] = converse(firmware, request_)

    assert (kind, sequence, payload[0]) == (ERROR, 8, code)


def test_survives_random_requests_and_answers_each(firmware: Path) -> None:
    rng = random.Random(7)
    requests = []
    for number in range(3000):
        kind = rng.choice([0, 1, 2, 3, 4, 6, 7, 8, 255])
        payload = rng.randbytes(rng.choice([0, 0, 4, 5, 6, 20, 1024]))
        requests.append(frames.encode(kind, number % 256, payload))

    replies = converse(firmware, *requests, frames.encode(0x01, 77))

    answered = {sequence for _, sequence, _ in replies}
    assert answered == set(range(256))
    assert replies[-1][:2] == (INFO, 77)
