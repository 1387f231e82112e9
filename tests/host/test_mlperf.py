"""MLCommons' MLPerf Tiny device protocol, under ASan and UBSan, against what its reference prints.

TRANSCRIPT is the answer of benchmark/api/internally_implemented.cpp of mlcommons/tiny (1afd2c9,
May 2026), compiled for this computer with an implementation of its hooks that computes the scripted
model, less what our protocol does otherwise on purpose (docs/protocol.md).
"""

from __future__ import annotations

import os
import random
import re
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

import frames
import scripted_model as model
from pipeline.codegen.model_info import render_model_info
from pipeline.graph import DType, Graph, Quantization, Tensor
from pipeline.resources import resource

HERE = Path(__file__).parent
FLAGS = ["-std=c11", '-DBOARD_ID="host"', "-O1", "-g", "-Wall", "-Wextra", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
VECTOR = bytes(range(1, 256)) + bytes(45)
STEP_US = 10  # between two readings of the counter


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generated = model.write_scripted_model(tmp_path_factory.mktemp("mlperf") / "generated")
    sources = resource("firmware")
    parts = [sources / "core", sources / "runtimes" / "aot", generated]
    files = [str(path) for part in parts for path in sorted(part.glob("*.c"))]
    folders = (generated, sources / "include", sources / "ports" / "host")
    program = generated / "firmware"
    compile_c(program, str(HERE / "stepping_port.c"), *files, *(f"-I{path}" for path in folders))
    return program


def compile_c(program: Path, *arguments: str) -> None:
    command = ["gcc", *FLAGS, *SANITIZERS, "-o", str(program), *arguments]
    subprocess.run(command, check=True)


def answer(program: Path, stream: bytes, step: int = 100 * STEP_US) -> bytes:
    """All that the firmware writes after its greeting."""
    environment = {**os.environ, "COUNTER_STEP": str(step)}
    done = subprocess.run([program], input=stream, capture_output=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    line, _, rest = done.stdout.partition(b"\0")
    assert line == b"mcu-pipeline host aot scripted\r\n"
    return rest.partition(b"\0")[2]


def commands(*texts: str) -> bytes:
    return "".join(f"{text}%" for text in texts).encode()


def loading(data: bytes) -> list[str]:
    """As MLCommons' runner sends an input."""
    pieces = [f"db {data[at : at + 31].hex()}" for at in range(0, len(data), 31)]
    return [f"db load {len(data)}", *pieces]


def results_line(loops: int, vector: bytes) -> str:
    """Elements of 1/256 from -128 on, then a 32-bit integer; as printf's %0.3f."""
    output = model.model_output(loops, vector)
    signed = np.frombuffer(output[:-4], np.int8).astype(int)
    values = [f"{(value + 128) / 256:.3f}" for value in signed]
    return f"m-results-[{','.join(values)},{loops:.3f}]"


INPUT = model.model_input(5, VECTOR)
DUMP = [f"m-buffer-{INPUT[at : at + 8].hex('-')}" for at in range(0, len(INPUT), 8)]
TRANSCRIPT: list[tuple[str, list[str]]] = [
    ("name", ["m-name-dut-[host]"]),
    ("profile", ["m-profile-[ULPMark for tinyML Firmware V0.0.1]", "m-model-[scripted]"]),
    ("timestamp", ["m-lap-us-#"]),
    *zip(
        loading(INPUT),
        [["m-[Expecting 304 bytes]"], *[[]] * 9, ["m-load-done"]],
        strict=True,
    ),
    ("db print", DUMP),
    (
        "infer 2 1",
        [
            "m-warmup-start-1",
            "m-warmup-done",
            "m-infer-start-2",
            "m-lap-us-#",
            "m-lap-us-#",
            "m-infer-done",
            results_line(5, VECTOR),
        ],
    ),
    ("results", [results_line(5, VECTOR)]),
    ("db", ["e-[Command 'db' requires a subcommand]"]),
    ("db 123", ["e-[Insufficent number of hex digits]"]),
    ("db 1g", ["e-[Invalid hex digit '1g']"]),
    ("db zz", ["e-[Invalid hex digit 'zz']"]),
    ("bogus x", ["e-[Unknown command: bogus]"]),
    ("infer 0", ["e-[Inference iterations must be >0]"]),
    ("infer -2", ["e-[Inference iterations must be >0]"]),
    ("infer x", ["e-[Inference iterations must be >0]"]),
    ("infer 2 -1", ["e-[Inference warmup must be >=0]"]),
    ("db load", ["e-[Command 'db load' requires the # of bytes]"]),
    ("db load 0", ["e-[Command 'db load' must be >0 bytes]"]),
    ("db load 10", ["m-[Expecting 10 bytes]"]),
    ("db 0A0b0C0d0e0f10111213ffff", ["m-load-done"]),
    ("db print", ["m-buffer-0a-0b-0c-0d-0e-0f-10-11", "m-buffer-12-13", ""]),
]


def test_answers_as_the_reference_does(firmware: Path) -> None:
    shown = answer(firmware, commands(*(command for command, _ in TRANSCRIPT))).decode()

    expected = [line for _, lines in TRANSCRIPT for line in [*lines, "m-ready"]]
    assert re.sub(r"(?<=m-lap-us-)\d+", "#", shown).split("\r\n") == ["", *expected, ""]


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (["db load 305"], ["e-[Supplied buffer size 305 exceeds maximum of 304]"]),
        (
            ["db load 99999999999", "db 00", "infer 1 0"],
            [
                "e-[Supplied buffer size 4294967295 exceeds maximum of 304]",
                "e-[Command 'db' requires 'db load' first]",
                "e-[Input db has 0 bytes, expected 304]",
            ],
        ),
        (["db 00"], ["e-[Command 'db' requires 'db load' first]"]),
        (
            ["db load 304", "db 0102", "infer 1 0"],
            ["m-[Expecting 304 bytes]", None, "e-[Input db has 2 bytes, expected 304]"],
        ),
        (["x" * 80], [f"e-[Unknown command: {'x' * 80}]"]),
        (["x" * 81], ["e-[Command longer than 80 characters]"]),
        (["\r\nna\nme\r"], ["m-name-dut-[host]"]),
    ],
)
def test_refuses_what_would_leave_the_input_unsure(
    firmware: Path, texts: list[str], lines: list[str | None]
) -> None:
    expected = [line for text in lines for line in (text, "m-ready") if line is not None]
    assert answer(firmware, commands(*texts)).decode().split("\r\n") == ["", *expected, ""]


def test_without_arguments_it_infers_once_after_ten_warmups(firmware: Path) -> None:
    shown = answer(firmware, commands("infer")).decode()

    assert shown.startswith("\r\nm-warmup-start-10\r\nm-warmup-done\r\nm-infer-start-1\r\n")


@pytest.mark.parametrize("step", [7, 999, 400_000_001, 2**32 - 1])
def test_time_goes_on_however_often_the_counter_wraps(firmware: Path, step: int) -> None:
    stream = commands("infer 50 3") + frames.encode(0x08, 5)
    shown = answer(firmware, stream, step)

    # One reading an inference, and one a time stamp.
    first, last = map(int, re.findall(rb"m-lap-us-(\d+)", shown))
    assert last - first == pytest.approx(51 * step / 100, abs=1)
    [(kind, _, payload)] = frames.decode(shown)
    counter, reference, hz = struct.unpack("<QII", payload)
    assert (kind, hz) == (0x8A, 100_000_000)
    assert counter > last * 100
    assert reference == (counter + step + 7) % 2**32


def test_every_inference_takes_its_ticks_across_a_wrap(firmware: Path) -> None:
    step = 1_900_000_000  # the counter turns with every second inference
    shown = answer(firmware, frames.encode(0x05, 4, struct.pack("<HH", 1, 9)), step)

    *samples, (_, _, done) = frames.decode(shown)
    assert [struct.unpack("<HI", payload)[1] for _, _, payload in samples] == [step] * 9
    assert struct.unpack("<HIIQ", done) == (9, step, step, 9 * step)


def hidden(text: bytes) -> bytes:
    """A frame that holds the text as input bytes."""
    return frames.encode(0x02, 1, struct.pack("<I", 0) + text)


@pytest.mark.parametrize("prefix", [b"", b"%", b"x%", b"\0", b"\0\0", b"name%"])
def test_text_inside_frames_is_no_command(firmware: Path, prefix: bytes) -> None:
    text = b"\r\nname%infer 5 5%" + prefix
    shown = answer(firmware, hidden(text) + commands("name") + hidden(b"%" + text))

    kinds = [kind for kind, _, _ in frames.decode(shown)]
    assert kinds == [0x80, 0x80]
    assert shown.count(b"m-") == 2
    assert b"\0\r\nm-name-dut-[host]\r\nm-ready\r\n\0" in shown


@pytest.mark.parametrize("code", [b"%", b"n"])
def test_a_frame_may_begin_with_a_character_of_text(firmware: Path, code: bytes) -> None:
    """The first byte is the distance to the first zero of the body."""
    payload = b"\1" * (code[0] - 3) + b"\0name%"
    request = frames.encode(0x42, 9, payload)
    assert request[1:2] == code

    [reply] = frames.decode(answer(firmware, request))
    assert reply[:2] == (0xFF, 9)


def test_after_a_broken_frame_a_silence_makes_room_for_text(firmware: Path) -> None:
    broken = frames.encode(0x03, 1)[:5]

    assert answer(firmware, broken + commands("name")) == b""
    # Every byte comes 4 s after the one before.
    shown = answer(firmware, broken + commands("name"), step=400_000_000)
    assert shown.endswith(b"m-ready\r\n")


def test_survives_any_text_and_any_bytes(firmware: Path) -> None:
    rng = random.Random(3)
    words = [
        *b"name profile help timestamp results db db load print infer % % % 0 1 2 304".split(),
        *(b"305", b"-1", b"ff", b"0g", b"0102", b" ", b" ", b"\r", b"\n", b"\0", b"\xff", b"\7"),
        *(b"\0" + commands(*loading(INPUT), "infer 2 1"), b"infer%", b"db load 2%", b"db 0102%"),
        *(hidden(b"db load 3%"), frames.encode(0x03, 2), b"z" * 90),
    ]
    pieces = [
        rng.choice(words) if rng.random() < 0.95 else rng.randbytes(rng.randint(1, 9))
        for _ in range(20_000)
    ]
    # Numbers of three digits at the most: a device infers as often as it is told.
    stream = re.sub(rb"infer[^%\0]*", lambda found: found[0][:9], b"".join(pieces))

    shown = answer(firmware, stream + b"\0" + commands("name"))

    assert shown.endswith(b"m-name-dut-[host]\r\nm-ready\r\n")
    assert shown.count(b"m-infer-done") > 10
    assert shown.count(b"m-load-done") > 10


def random_formats(rng: random.Random) -> list[Tensor]:
    """Outputs of every type that models have, with scales of every size."""
    tensors = []
    for dtype in (DType.INT8, DType.UINT8, DType.INT16):
        for _ in range(8):
            scale = float(np.float32(rng.uniform(0.5, 1) * 2.0 ** rng.randint(-20, 4)))
            limits = np.iinfo(dtype.numpy)
            zero_point = rng.choice([0, limits.min, limits.max, rng.randint(0, 100)])
            tensors.append((dtype, Quantization((scale,), (zero_point,))))
    tensors.append((DType.INT8, Quantization((1 / 256,), (-128,))))
    tensors += [(DType.INT32, None), (DType.FLOAT32, None), (DType.BOOL, None)]
    return [Tensor(i, "y", (1, 60), dtype, q) for i, (dtype, q) in enumerate(tensors)]


def printed(tensor: Tensor, element: float) -> str:
    """As printf("%0.3f"): float64 holds the product of an element and a float32 exactly."""
    if tensor.quantization is not None:
        element = (int(element) - tensor.zero_point) * tensor.scale
    if abs(element) * 1000 > 2**32 - 1:
        return "inf" if element > 0 else "-inf"
    return f"{float(element):.3f}"


def test_results_are_rounded_as_printf_rounds(tmp_path: Path) -> None:
    rng = random.Random(11)
    outputs = random_formats(rng)
    graph = Graph(tuple(outputs), (), (), tuple(outputs))
    header = render_model_info(graph, "m", "00" * 32)["model_info.h"]
    (tmp_path / "model_info.h").write_text(header)
    core = resource("firmware") / "core"
    sizes = ", ".join(str(tensor.size_bytes) for tensor in outputs)
    sources = [str(core / "mlperf_results.c"), str(core / "text.c"), str(HERE / "result_lines.c")]
    folders = [f"-I{path}" for path in (tmp_path, core, resource("firmware") / "include")]
    compile_c(tmp_path / "lines", f"-DOUTPUT_SIZES={{{sizes}}}", *sources, *folders)

    rounds = []
    for _ in range(20):
        elements = [np.frombuffer(rng.randbytes(t.size_bytes), t.dtype.numpy) for t in outputs]
        elements[-2] = np.float32([rng.choice([1, -1]) * 2.0 ** rng.uniform(-160, 30)] * 59 + [0])
        elements[-1] = elements[-1].view(np.uint8).astype(bool)
        rounds.append(elements)
    data = b"".join(array.tobytes() for elements in rounds for array in elements)
    shown = subprocess.run([tmp_path / "lines"], input=data, stdout=subprocess.PIPE, check=True)

    for line, elements in zip(shown.stdout.decode().splitlines(), rounds, strict=True):
        expected = [
            printed(tensor, element.item())
            for tensor, array in zip(outputs, elements, strict=True)
            for element in array
        ]
        assert line == f"m-results-[{','.join(expected)}]"


@pytest.mark.parametrize(
    ("name", "mask"), [("ic01", 0x80), ("vww01", 0x80), ("kws01", 0), ("m", 0)]
)
def test_pixels_of_mlperfs_image_models_become_signed(name: str, mask: int) -> None:
    """Their files hold 0..255; the reference's th_load_tensor subtracts 128."""
    x = Tensor(0, "x", (1, 4), DType.INT8, Quantization((1.0,), (0,)))
    header = render_model_info(Graph((x,), (), (x,), (x,)), name, "00" * 32)["model_info.h"]
    assert f"#define MODEL_DB_MASK 0x{mask:02x}\n" in header
    pixels = np.arange(256, dtype=np.uint8)
    if mask:
        np.testing.assert_array_equal((pixels ^ mask).view(np.int8), pixels.astype(int) - 128)
