"""The emulated Nano 33 BLE: built by PlatformIO, booted by QEMU, spoken to over its serial line."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

import frames
import scripted_model as model
from pipeline.boards import board
from pipeline.errors import DoesNotFitError, ToolError
from pipeline.firmware import FirmwareImage, build

pytestmark = pytest.mark.emulator

BOARD = board("nano33ble_sim")
HELLO, WRITE_INPUT, INFER, READ_OUTPUT, RUN = 0x01, 0x02, 0x03, 0x04, 0x05
INFO, INFERRED, OUTPUT, SAMPLE = 0x81, 0x83, 0x84, 0x85
FAULT_STATUS = 99
VECTOR = bytes(range(256)) + bytes(44)


def build_model(folder: Path, **parts: str) -> FirmwareImage:
    return build(model.write_scripted_model(folder / "generated", **parts), BOARD, "aot", folder)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> FirmwareImage:
    # A blank in the path: linker flags must survive it.
    return build_model(tmp_path_factory.mktemp("board") / "run 1")


class Line:
    """The serial line of a board that has just been switched on."""

    def __init__(self, image: FirmwareImage) -> None:
        assert BOARD.emulator is not None
        # `timeout` ends a board that stays silent, and the reads below with it.
        command = ["timeout", "60", *BOARD.emulator.arguments(image.elf)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.received = b""

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()  # which `timeout` hands on to the emulator
        self.process.communicate()

    def read_until(self, kind: int) -> list[frames.Frame]:
        """All frames up to the first of this type."""
        assert self.process.stdout is not None
        while True:
            found = frames.decode(self.received)
            if any(frame[0] == kind for frame in found):
                self.received = b""
                return found
            more = self.process.stdout.read1()
            assert more, f"the board ended after {self.received!r}"
            self.received += more

    def ask(self, request: bytes, reply: int) -> list[frames.Frame]:
        assert self.process.stdin is not None
        self.process.stdin.write(request)
        self.process.stdin.flush()
        return self.read_until(reply)


def stage(loops: int) -> bytes:
    return frames.encode(WRITE_INPUT, 1, struct.pack("<I", 0) + model.model_input(loops, VECTOR))


def test_boots_greets_and_infers(image: FirmwareImage) -> None:
    with Line(image) as line:
        [(_, sequence, info)] = line.read_until(INFO)
        line.ask(stage(3), 0x80)
        line.ask(frames.encode(INFER, 2), INFERRED)
        request = frames.encode(READ_OUTPUT, 3, struct.pack("<IH", 0, model.OUTPUT_BYTES))
        [(_, _, output)] = line.ask(request, OUTPUT)

    assert sequence == 0
    assert info[21:53] == model.SHA256
    assert info[53:].split(b"\0")[:2] == [b"nano33ble_sim", b"aot"]
    assert output[4:] == model.model_output(3, VECTOR)


def instructions(line: Line, loops: int) -> set[int | None]:
    """Instructions of three inferences with this many passes through the model's loop."""
    line.ask(stage(loops), 0x80)
    replies = line.ask(frames.encode(RUN, 4, struct.pack("<HH", 1, 3)), 0x86)
    ticks = [struct.unpack("<HI", payload)[1] for kind, _, payload in replies if kind == SAMPLE]
    return {BOARD.counter.instructions(count) for count in ticks}


def test_counts_instructions_to_the_last_one(image: FirmwareImage) -> None:
    with Line(image) as line:
        line.read_until(INFO)
        [base] = instructions(line, 0)
        counted = {loops: instructions(line, loops) for loops in (1, 2, 3, 5, 100, 12345)}

    assert base is not None
    expected = {loops: {base + model.LOOP_INSTRUCTIONS * loops} for loops in counted}
    assert counted == expected


def test_sizes_of_the_image(image: FirmwareImage) -> None:
    assert image.bin is not None
    assert image.bin.stat().st_size == image.flash_bytes
    stages = 4 * 2 + model.INPUT_BYTES  # ticks of every step, staging area
    assert image.ram_bytes > model.ARENA_BYTES + stages
    assert image.stack_bytes >= 8192
    assert 0 < image.const_bytes < 200 < image.code_bytes < image.flash_bytes


def test_an_unchanged_build_gives_the_same_image(image: FirmwareImage) -> None:
    before = image.elf.stat().st_mtime_ns

    again = build_model(image.elf.parents[2])

    assert (again, again.elf.stat().st_mtime_ns) == (image, before)


# Stack and memory faults as Arm DDI 0403 names them in the register CFSR.
DATA_ACCESS, STACKING, UNDEFINED = 0x82, 0x92, 0x10000


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        ("vector_out[0] = *(volatile uint8_t *)0x20040000;", DATA_ACCESS),
        ("((volatile uint8_t *)(uintptr_t)model_step_first)[0] = 1;", DATA_ACCESS),
        ("memset((uint8_t[9000]){0}, vector_in[0], 9000);", STACKING),
        ('__asm__ volatile("udf #0");', UNDEFINED),
    ],
    ids=["read beyond RAM", "write to flash", "stack overflow", "undefined instruction"],
)
def test_a_fault_is_told_and_ends_the_board(tmp_path: Path, statements: str, fault: int) -> None:
    with Line(build_model(tmp_path, statements=statements)) as line:
        line.read_until(INFO)
        assert line.process.stdin is not None
        line.process.stdin.write(frames.encode(INFER, 1))
        line.process.stdin.flush()
        output, _ = line.process.communicate(timeout=60)

    assert output.endswith(f"\r\nFAULT {fault:08x}\r\n".encode())
    assert line.process.returncode == FAULT_STATUS


@pytest.mark.parametrize(
    ("declarations", "statements", "message"),
    [
        (
            "static const uint8_t table[1100000] = {1};",
            "vector_out[0] ^= ((const volatile uint8_t *)table)[loops_out];",
            r"^build: flash: 1,10\d,\d{3} bytes exceed nano33ble_sim's 1,048,576 by \d\d,\d{3} "
            r"bytes \(largest: table with 1,100,000\)$",
        ),
        (
            "static volatile uint8_t model_arena[300000];",
            "model_arena[loops_out] = 1;",
            r"^build: RAM \(with the stack reserve\): 31\d,\d{3} bytes exceed nano33ble_sim's "
            r"262,144 by \d\d,\d{3} bytes \(largest: model_arena with 300,000\)$",
        ),
    ],
    ids=["flash", "RAM"],
)
def test_says_what_does_not_fit(
    tmp_path: Path, declarations: str, statements: str, message: str
) -> None:
    with pytest.raises(DoesNotFitError, match=message):
        build_model(tmp_path, declarations=declarations, statements=statements)


def test_a_compiler_error_is_one_line_and_names_the_log(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        build_model(tmp_path, statements="int unused;")

    log = tmp_path / "build.log"
    assert "unused variable" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.remedy == f"see {log}"
    assert "unused variable" in log.read_text()


def test_a_missing_compiler_is_named_with_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(
        ToolError,
        match=r"^build: arm-none-eabi-gcc is not on PATH: "
        r"apt install gcc-arm-none-eabi libnewlib-arm-none-eabi; see ",
    ):
        build_model(tmp_path / "run")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="not a folder with a generated model"):
        build(tmp_path / "nothing", BOARD, "aot", tmp_path)
