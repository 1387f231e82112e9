"""The firmware's frames, under ASan and UBSan, against the plain version of tests/frames.py."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

import frames
from pipeline.resources import resource

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def frame_echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    firmware = resource("firmware")
    program = tmp_path_factory.mktemp("frame_echo") / "frame_echo"
    core = [str(firmware / "core" / f"{name}.c") for name in ("frame", "reply", "crc32")]
    includes = [f"-I{firmware / folder}" for folder in ("core", "include")]
    flags = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = ["gcc", *flags, *sanitizers, *includes, str(HERE / "frame_echo.c"), *core]
    subprocess.run([*command, "-o", str(program)], check=True)
    return program


def echo(program: Path, stream: bytes) -> bytes:
    done = subprocess.run([program], input=stream, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def random_payload(rng: random.Random) -> bytes:
    """Sizes cluster where COBS blocks (254) and the receiver's buffer (1,024) end."""
    near = rng.choice([0, 4, 248, 254, 502, 508, 1018, 1024])
    size = max(0, near + rng.randint(-3, 3))
    zero_share = rng.choice([0.0, 0.0, 0.02, 0.5, 1.0])
    return bytes(0 if rng.random() < zero_share else rng.randint(1, 255) for _ in range(size))


def damaged(chunk: bytes, rng: random.Random) -> bytes:
    position = rng.randrange(len(chunk))
    return rng.choice(
        [
            chunk[:position],
            chunk[position:],
            chunk[:position] + bytes([rng.randrange(256)]) + chunk[position + 1 :],
            chunk[:position] + rng.randbytes(rng.randint(1, 40)) + chunk[position:],
            rng.randbytes(rng.randint(1, 3000)),
            b"\0",
            b"text without frames\r\n",
        ]
    )


def test_accepts_exactly_the_valid_frames_of_a_noisy_stream(frame_echo: Path) -> None:
    rng = random.Random(20)
    chunks = []
    for _ in range(4000):
        chunk = frames.encode(rng.randrange(256), rng.randrange(256), random_payload(rng))
        chunks.append(damaged(chunk, rng) if rng.random() < 0.4 else chunk)
    stream = b"".join(chunks)
    expected = frames.decode(stream)
    assert 2000 < len(expected) < 3500

    assert frames.decode(echo(frame_echo, stream)) == expected


@pytest.mark.parametrize("size", [0, 1, 247, 248, 249, 1023, 1024])
@pytest.mark.parametrize("fill", [b"\x00", b"\x01", b"\xff"])
def test_returns_payloads_of_every_critical_size(frame_echo: Path, size: int, fill: bytes) -> None:
    payload = fill * size

    assert frames.decode(echo(frame_echo, frames.encode(7, 9, payload))) == [(7, 9, payload)]


def test_drops_a_frame_beyond_the_buffer_and_takes_the_next(frame_echo: Path) -> None:
    too_long = frames.encode(1, 1, bytes(1025))

    assert frames.decode(echo(frame_echo, too_long + frames.encode(2, 2))) == [(2, 2, b"")]
