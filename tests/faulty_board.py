"""A board behind a pseudo-terminal whose line is disturbed in ways that a seed decides.

The board is the firmware itself, compiled for this computer. `python tests/faulty_board.py` prints
the table of faults and outcomes; the tests hold a part of it.
"""

from __future__ import annotations

import argparse
import collections
import os
import pty
import random
import re
import select
import subprocess
import sys
import tempfile
import threading
import time
import tty
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import scripted_model as model
from pipeline.device import Device, TimeLimits
from pipeline.device.serial_port import SerialLink
from pipeline.errors import DeviceError
from pipeline.resources import resource

VECTOR = bytes(range(1, 256)) + bytes(45)
INPUT = model.model_input(7, VECTOR)
OUTPUT = model.model_output(7, VECTOR)
LIMITS = TimeLimits(greeting_s=2.0, hello_s=0.2, reply_s=0.5, inference_s=0.5)
CHECKSUMS = tuple(map(zlib.crc32, (model.reversed_vector(VECTOR), OUTPUT)))
RUNS = 5
RIGHT = "right"
BOOT_TEXT = b"\r\nets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13\r\n"
BAD_LINE = r"no whole reply to \w+ within|may hide a reset"
# Bytes that cross the line in an undisturbed session, each way; faults are spread over them.
TO_BOARD_BYTES, TO_HOST_BYTES = 715, 900
# Of those to the board, one within every request but the last: HELLO, WRITE_INPUT, INFER,
# READ_OUTPUT, RUN, CHECK, PROFILE, WRITE_INPUT, INFER.
_MOMENTS = (5, 100, 330, 340, 355, 368, 377, 500, 705)
# The link's time runs faster: it waits 8 s for a port.
_LINK_SPEED = 40


def build_firmware(folder: Path, *more_flags: str) -> Path:
    """The scripted model's firmware as a program of this computer."""
    generated = model.write_scripted_model(folder / "generated")
    sources = resource("firmware")
    parts = [sources / "core", sources / "runtimes" / "aot", sources / "ports" / "host", generated]
    files = [str(path) for part in parts for path in sorted(part.glob("*.c"))]
    includes = [f"-I{part}" for part in (generated, sources / "include")]
    program = generated / "firmware"
    flags = ["-std=c11", '-DBOARD_ID="host"', "-O1", *more_flags]
    subprocess.run(["gcc", *flags, *includes, *files, "-o", str(program)], check=True)
    return program


Change = Callable[[bytes], bytes]


def _unchanged(data: bytes) -> bytes:
    return data


@dataclass
class Disturbance:
    """What happens to one session.

    Attributes:
        to_board, to_host: what a piece of bytes becomes on its way.
        at_byte: of those to the board; when it has passed, `event` happens.
        before: bytes that come ahead of the board's first answer.
        pieces: whether bytes go to the host a few at a time.
    """

    to_board: Change = _unchanged
    to_host: Change = _unchanged
    at_byte: int | None = None
    event: Callable[[FaultyBoard], None] | None = None
    before: bytes = b""
    pieces: bool = False


class FaultyBoard:
    """A serial port at `path` with a board that runs `program`."""

    def __init__(self, path: Path, program: Path, disturbance: Disturbance) -> None:
        self.path = path
        self._program = program
        self._disturbance = disturbance
        self._passed = 0
        self._silent = False
        self._master = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._stop_reader, self._stop_writer = os.pipe()
        self.connect()
        self.start()
        self._thread = threading.Thread(target=self._pump)
        self._thread.start()

    def close(self) -> None:
        os.write(self._stop_writer, b"x")
        self._thread.join()
        self.disconnect()
        self.stop()
        os.close(self._stop_reader)
        os.close(self._stop_writer)

    # --- what events do ---------------------------------------------------------------------------

    def connect(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        # Kept open: a pty whose other end nobody has open looks like one that was unplugged.
        self._slave = slave

    def disconnect(self) -> None:
        self.path.unlink(missing_ok=True)
        if self._master >= 0:
            os.close(self._slave)
            os.close(self._master)
            self._master = -1

    def start(self, before: bytes = b"") -> None:
        self._process = subprocess.Popen(
            [self._program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        if before and self._master >= 0:
            self._say(before)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def reset(self, damage: bool = False) -> None:
        """A reset that USB does not notice; `damage` spoils the greeting's frame."""
        self.stop()
        self.start(BOOT_TEXT)
        if damage:
            assert self._process is not None
            assert self._process.stdout is not None
            greeting = b""
            while greeting.count(b"\0") < 2:
                greeting += os.read(self._process.stdout.fileno(), 4096)
            self._say(greeting[:-20] + greeting[-19:])

    def replug(self) -> None:
        self.stop()
        self.disconnect()
        time.sleep(0.05)
        self.connect()
        self.start(BOOT_TEXT)

    def unplug(self) -> None:
        self.stop()
        self.disconnect()

    def fall_silent(self) -> None:
        self._silent = True

    # ----------------------------------------------------------------------------------------------

    def hold_back(self) -> None:
        """Longer than the host waits."""
        time.sleep(1.5 * LIMITS.reply_s)

    def _say(self, data: bytes) -> None:
        most = 3 if self._disturbance.pieces else len(data)
        while data:
            data = data[os.write(self._master, data[:most]) :]
            time.sleep(0)

    def _pump(self) -> None:
        while True:
            stdout = None if self._process is None else self._process.stdout
            sources = [self._stop_reader]
            sources += [] if self._master < 0 else [self._master]
            sources += [] if stdout is None else [stdout.fileno()]
            ready, _, _ = select.select(sources, [], [])
            if self._stop_reader in ready:
                return
            with suppress(OSError):
                if self._master in ready:
                    self._from_host(os.read(self._master, 4096))
                elif stdout is not None:
                    self._from_board(os.read(stdout.fileno(), 4096))

    def _from_host(self, data: bytes) -> None:
        before, self._passed = self._passed, self._passed + len(data)
        if before == 0:
            self._say(self._disturbance.before)
        at = self._disturbance.at_byte
        event = self._disturbance.event
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(self._disturbance.to_board(data))
        if event is not None and at is not None and before <= at < self._passed:
            event(self)

    def _from_board(self, data: bytes) -> None:
        if not data:
            self.stop()  # it ended by itself
        elif not self._silent and self._master >= 0:
            self._say(self._disturbance.to_host(data))


# --- faults ---------------------------------------------------------------------------------------


def _bytewise(rng: random.Random, share: float, change: Callable[[int], bytes]) -> Change:
    def changed(data: bytes) -> bytes:
        return b"".join(change(b) if rng.random() < share else bytes([b]) for b in data)

    return changed


def _either_way(rng: random.Random, change: Callable[[int], bytes]) -> Disturbance:
    """About two disturbed bytes in a session, in one of the directions."""
    if rng.random() < 0.5:
        return Disturbance(to_board=_bytewise(rng, 2 / TO_BOARD_BYTES, change))
    return Disturbance(to_host=_bytewise(rng, 2 / TO_HOST_BYTES, change))


def _in_the_middle(rng: random.Random, event: Callable[[FaultyBoard], None]) -> Disturbance:
    return Disturbance(at_byte=rng.choice(_MOMENTS), event=event)


def _other_baud_rate(rng: random.Random) -> Disturbance:
    """At half the rate a receiver sees every bit twice, and half the bytes with a framing error."""

    def garbled(data: bytes) -> bytes:
        return bytes(0x80 | (b ^ rng.randrange(256)) for b in data[::2])

    return Disturbance(to_board=garbled, to_host=garbled)


def _inserted(rng: random.Random, text: bytes) -> Disturbance:
    return Disturbance(to_board=_bytewise(rng, 2 / TO_BOARD_BYTES, lambda b: text + bytes([b])))


@dataclass(frozen=True)
class Fault:
    """A way to disturb a session, and how it may end.

    Attributes:
        make: the disturbance of a seed.
        refusals: a pattern for the only messages it may end with; None where it must end right.
        may_end_right: whether that is an end too.
    """

    make: Callable[[random.Random], Disturbance]
    refusals: str | None = None
    may_end_right: bool = True


# Of those in the middle, one during HELLO disturbs nothing that follows.
FAULTS = {
    "none": Fault(lambda rng: Disturbance()),
    "boot text before the greeting": Fault(lambda rng: Disturbance(before=BOOT_TEXT)),
    "random bytes before the greeting": Fault(
        lambda rng: Disturbance(before=rng.randbytes(rng.randrange(1, 400)))
    ),
    "frames in pieces of 3 bytes": Fault(lambda rng: Disturbance(pieces=True)),
    "a reply later than it is awaited": Fault(
        lambda rng: _in_the_middle(rng, FaultyBoard.hold_back)
    ),
    "bytes dropped": Fault(lambda rng: _either_way(rng, lambda b: b""), BAD_LINE),
    "bytes repeated": Fault(lambda rng: _either_way(rng, lambda b: bytes([b, b])), BAD_LINE),
    "bits flipped": Fault(
        lambda rng: _either_way(rng, lambda b: bytes([b ^ 1 << rng.randrange(8)])), BAD_LINE
    ),
    "ModemManager's AT commands in requests": Fault(lambda rng: _inserted(rng, b"AT\r"), BAD_LINE),
    "wrong baud rate": Fault(
        _other_baud_rate,
        r"no greeting within .*(neither frames nor text; check|this firmware was flashed)",
        may_end_right=False,
    ),
    "reset in the middle": Fault(
        lambda rng: _in_the_middle(rng, FaultyBoard.reset), r"restarted during"
    ),
    "reset in the middle, its greeting damaged": Fault(
        lambda rng: _in_the_middle(rng, lambda board: board.reset(damage=True)),
        r"restarted during",
    ),
    "silence in the middle": Fault(
        lambda rng: _in_the_middle(rng, FaultyBoard.fall_silent),
        r"no (greeting|whole reply to \w+) within .*reset the board",
        may_end_right=False,
    ),
    "unplugged and back": Fault(
        lambda rng: _in_the_middle(rng, FaultyBoard.replug), r"restarted during"
    ),
    "unplugged for good": Fault(
        lambda rng: _in_the_middle(rng, FaultyBoard.unplug),
        r"went away and (is not there|gives no data|cannot be used \(.*\)) for 8 s; connect",
        may_end_right=False,
    ),
}


def session(program: Path, folder: Path, fault: Fault, seed: int) -> str:
    """What a whole session with a disturbed board comes to: RIGHT, or the refusal.

    Raises:
        AssertionError: a wrong value was taken for right.
    """
    path = folder / "ttyACM0"
    with _board(path, program, fault.make(random.Random(seed))):
        link = SerialLink(
            lambda: str(path) if path.exists() else None,
            str(path),
            115200,
            clock=lambda: time.monotonic() * _LINK_SPEED,
            sleep=lambda seconds: time.sleep(seconds / _LINK_SPEED),
        )
        try:
            with Device(link, model_sha256=model.SHA256.hex(), limits=LIMITS) as device:
                assert device.infer(INPUT).outputs == OUTPUT
                assert len(device.run(1, RUNS).ticks) == RUNS
                assert device.check() == CHECKSUMS
                assert len(device.profile()) == len(CHECKSUMS)
                assert device.infer(INPUT).outputs == OUTPUT
        except DeviceError as error:
            return str(error)
    return RIGHT


@contextmanager
def _board(path: Path, program: Path, disturbance: Disturbance) -> Iterator[FaultyBoard]:
    board = FaultyBoard(path, program, disturbance)
    try:
        yield board
    finally:
        board.close()


def accepts(fault: Fault, end: str) -> bool:
    """Whether a session with this fault may end so."""
    if end == RIGHT:
        return fault.may_end_right
    return fault.refusals is not None and re.search(fault.refusals, end) is not None


def main() -> None:
    """Prints a table of faults and ends; exit code 1 where one is not as `FAULTS` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", choices=FAULTS, help="one fault alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        program, unexpected = build_firmware(Path(scratch)), 0
        print("| fault | sessions | right | refused | longest, s |")
        print("| --- | ---: | ---: | --- | ---: |")
        for name, fault in FAULTS.items():
            if options.only not in (None, name):
                continue
            ends: collections.Counter[str] = collections.Counter()
            longest = 0.0
            for seed in range(options.seeds):
                started = time.monotonic()
                end = session(program, Path(scratch), fault, seed)
                longest = max(longest, time.monotonic() - started)
                expected = accepts(fault, end)
                unexpected += not expected
                mark = "" if expected else "UNEXPECTED: "
                ends[mark + end.replace(f"{scratch}/", "")] += 1
            right = ends.pop(RIGHT, 0)
            refused = "; ".join(f"{count}x `{end}`" for end, count in ends.most_common())
            print(
                f"| {name} | {options.seeds} | {right} | {refused or '-'} | {longest:.1f} |",
                flush=True,
            )
    sys.exit(1 if unexpected else 0)


if __name__ == "__main__":
    main()
