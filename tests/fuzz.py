"""Damaged and hostile files and frames: refused with one line, or taken; never anything else.

The tests do a few hundred cases of each kind. By hand, longer: `python tests/fuzz.py KIND --cases
20000 --seed 1`. A case that crashes, hangs or takes memory is kept as `fuzz-KIND-NUMBER`.
"""

from __future__ import annotations

import argparse
import collections
import functools
import random
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from damaged_models import damaged, tflite_bytes, tflite_structure
from fake_device import INPUT, FakeDevice, connect
from faulty_board import build_firmware
from pipeline import boards, protocol
from pipeline.analysis.analyze import analyze
from pipeline.aot.goal import Goal
from pipeline.aot.lowering import lower
from pipeline.codegen.aot import render_aot
from pipeline.codegen.tflm import render_tflm
from pipeline.codegen.tflm_arena import estimated_arena_bytes
from pipeline.errors import PipelineError
from pipeline.spec import KnownNames, read_spec
from pipeline.tflite_reader import read_tflite

LIMIT_S = 30.0
MEMORY_LIMIT_BYTES = 256 << 20  # above what the process had before
ADDRESS_SPACE_BYTES = 8 << 30  # a runaway ends as a MemoryError and not the machine
_OURS = str(Path(boards.__file__).parents[1])
SHA256 = "00" * 32
_RUN, _WRITE_INPUT = 0x05, 0x02
_SHOWN = 1500  # characters of an unexpected error
EXAMPLES = Path(__file__).parents[1] / "examples"


class HangError(Exception):
    """A case took longer than LIMIT_S."""


def take_model(content: bytes) -> None:
    """All that is done with a .tflite before a compiler sees it."""
    graph = read_tflite(content)
    analyze(graph)
    refusal: PipelineError | None = None
    try:
        render_tflm(graph, content, "fuzz", SHA256)
        estimated_arena_bytes(graph)
    except PipelineError as error:
        refusal = error  # the other runtime may take it
    for core in ("cortex-m4f", "rv32imc"):
        program = lower(graph, Goal(core, "balanced"))
        render_aot(program, "fuzz", SHA256)
    if refusal is not None:
        raise refusal


# --- text files -----------------------------------------------------------------------------------

_TOML_VALUES = (
    "0", "-1", "1e400", "nan", "-inf", "9223372036854775808", "99999999999999999999", '""',
    '"\\u0000"', '"../../etc/passwd"', "[]", "[[]]", "{}", "true", "1979-05-27T07:32:00Z",
    "'''x'''", '"' + "x" * 5000 + '"', "[" * 2000 + "]" * 2000, "{a={a={a=1}}}",
    "0x7fffffffffffffff", '"nan"', '"é"', "3.0", "1",
)  # fmt: skip


def text_of(rng: random.Random, files: list[Path]) -> bytes:
    """A TOML file with values, keys, lines or bytes changed."""
    content = rng.choice(files).read_bytes()
    if rng.random() < 0.3:
        return damaged(content, rng)
    lines = content.decode().split("\n")
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        change = rng.randrange(6)
        key, separator, _ = lines[at].partition("=")
        if change in (0, 1, 2) and separator:
            lines[at] = f"{key}= {rng.choice(_TOML_VALUES)}"
        elif change == 3:
            lines.insert(at, rng.choice(lines))
        elif change == 4:
            del lines[at]
            lines = lines or [""]
        else:
            lines[at] = rng.choice(
                ["[[model]]", "[a.b.c]", "= 1", "[", "\x00", "a.b = 1", "[data]"]
            )
    return "\n".join(lines).encode()


def spec(rng: random.Random) -> bytes:
    return text_of(rng, sorted(EXAMPLES.glob("*.toml")))


@functools.cache
def _known() -> KnownNames:
    from pipeline import data, models

    return KnownNames(
        models={
            name: {entry.name: entry.refusal for entry in definition.parameter_list()}
            for name, definition in models.models().items()
        },
        data_sets=list(data.definitions()),
        boards={board.id: list(board.runtime_ids) for board in boards.boards()},
    )


def board(rng: random.Random) -> bytes:
    return text_of(rng, sorted(Path(boards.__file__).parent.glob("*.toml")))


def take_board(content: bytes) -> None:
    boards.read_board(_file(content, "board.toml"))


# --- frames ---------------------------------------------------------------------------------------


def frames(rng: random.Random) -> bytes:
    """Replies of every type with random payloads, damaged ones among them."""
    stream = b""
    for _ in range(rng.randint(1, 12)):
        code = rng.choice([0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0xFF, 0x42, 0x00])
        payload = rng.randbytes(rng.choice([0, 0, 1, 2, 4, 6, 18, 60, 300]))
        body = bytes((code, rng.choice([0, 1, 2, 3, 9]))) + payload
        frame = b"\0" + protocol.cobs_encode(body + _crc(body)) + b"\0"
        stream += damaged(frame, rng) if rng.random() < 0.2 else frame
    return stream


def _crc(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "little")


def take_frames(content: bytes) -> None:
    """A device that answers everything with this, before and instead of what is right."""
    device = connect(FakeDevice(greeting=content))
    device.close()
    device = connect(FakeDevice(faults=[None, lambda right: content + b"".join(right)] * 20))
    device.infer(INPUT)
    device.run(1, 4)
    device.profile()


def requests(rng: random.Random) -> bytes:
    """Requests of every type with random payloads, replies and damaged frames among them."""
    stream = b""
    for _ in range(rng.randint(1, 60)):
        code = rng.choice([*range(0x0A), 0x42, 0x80, 0x81, 0xFF])
        if code == _RUN:  # few runs, of a model whose first input is how long it takes
            payload = bytes((rng.randrange(3), 0, rng.randrange(4), 0))
        elif code == _WRITE_INPUT:
            offset = rng.choice([4, 100, 303, 304, 305, 1 << 31, (1 << 32) - 1])
            payload = offset.to_bytes(4, "little") + rng.randbytes(rng.choice([0, 1, 200, 1020]))
        else:
            payload = rng.randbytes(rng.choice([0, 0, 0, 1, 4, 6, 20, 1024]))
        body = bytes((code, rng.randrange(256))) + payload
        frame = b"\0" + protocol.cobs_encode(body + _crc(body)) + b"\0"
        stream += damaged(frame, rng) if rng.random() < 0.3 else frame
    return stream


@functools.cache
def _firmware() -> Path:
    sanitizers = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return build_firmware(Path(_folder().name), *sanitizers)


def take_requests(content: bytes) -> None:
    """The firmware's core under ASan and UBSan: it lives, and answers the next request."""
    hello = protocol.encode(protocol.Hello(), 77)
    done = subprocess.run(
        [_firmware()],
        input=content + b"\0" + hello,
        capture_output=True,
        timeout=300,
        preexec_fn=_unlimited,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode("utf-8", "replace")[-1500:])
    last = protocol.FrameReader().feed(done.stdout)[-1]
    if last.sequence != 77 or not isinstance(last.message, protocol.Info):
        raise RuntimeError(f"answered HELLO with {last}")


def _unlimited() -> None:
    """ASan maps terabytes that it never fills."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


@dataclass(frozen=True)
class Kind:
    """What is fuzzed: how a case is drawn, and what takes it."""

    draw: Callable[[random.Random], bytes]
    take: Callable[[bytes], object]


def take_spec(content: bytes) -> None:
    read_spec(_file(content, "spec.toml"), _known())


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def _file(content: bytes, name: str) -> Path:
    path = Path(_folder().name) / name
    path.write_bytes(content)
    return path


KINDS = {
    "tflite-bytes": Kind(tflite_bytes, take_model),
    "tflite-structure": Kind(tflite_structure, take_model),
    "spec": Kind(spec, take_spec),
    "board": Kind(board, take_board),
    "frames": Kind(frames, take_frames),
    "requests": Kind(requests, take_requests),
}


def outcome(kind: Kind, content: bytes) -> str:
    """ "taken" or "refused"; else what went wrong, over several lines."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)  # of processor time: the machine may be busy
    try:
        kind.take(content)
        end = "taken"
    except PipelineError as error:
        message = str(error)
        end = "refused" if message and "\n" not in message else f"not one line: {message!r}"
    except Exception as error:
        frames_of_ours = [
            frame for frame in traceback.extract_tb(error.__traceback__) if _OURS in frame.filename
        ]
        at, text = frames_of_ours[-1], str(error)[:_SHOWN]
        end = f"{type(error).__name__} from {Path(at.filename).name}:{at.lineno}: {text}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return end if grown < MEMORY_LIMIT_BYTES else f"{end}, with {grown >> 26 << 6} MB more memory"


def _hang(*_: object) -> None:
    raise HangError(f"no end within {LIMIT_S:g} s of processor time")


def limit_process() -> None:
    """Memory and time of this process; not to be called in the tests' own."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, most))
    signal.signal(signal.SIGVTALRM, _hang)


def main() -> None:
    """Prints how the cases ended; exit code 1 where one did as it must not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    limit_process()
    kind = KINDS[options.kind]
    rng = random.Random(f"{options.kind} {options.seed}")
    ends: collections.Counter[str] = collections.Counter()
    for number in range(options.cases):
        content = kind.draw(rng)
        end = outcome(kind, content)
        ends[end] += 1
        if end not in ("taken", "refused") and ends[end] == 1:
            kept = Path(f"fuzz-{options.kind}-{options.seed}-{number}")
            kept.write_bytes(content)
            print(f"{kept}: {end}", flush=True)
    findings = sum(count for end, count in ends.items() if end not in ("taken", "refused"))
    print(
        f"{options.kind}: {options.cases} cases, {ends['refused']} refused, {ends['taken']} taken, "
        f"{findings} findings ({len(ends.keys() - {'taken', 'refused'})} different)"
    )
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
