"""Many generated models linked into one image that reads inputs and writes outputs over its line.

The same image runs on the host (under ASan and UBSan) and in QEMU: `firmware/ports` hides which.
"""

from __future__ import annotations

import functools
import hashlib
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.aot.goal import PORTABLE_BALANCED, Goal
from pipeline.aot.lowering import lower
from pipeline.boards import board
from pipeline.codegen.aot import render_aot
from pipeline.graph import Graph
from pipeline.resources import resource
from pipeline.tflite_reader import read_tflite
from tflm import Arrays, interpret

C_FLAGS = ["-std=c11", '-DBOARD_ID="test"', "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
HOST_FLAGS = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
ARM_FLAGS = [
    "-O2",
    "-mcpu=cortex-m4",
    "-mthumb",
    "-mfloat-abi=hard",
    "-mfpu=fpv4-sp-d16",
    "-ffunction-sections",
    "-fdata-sections",
]

_MAIN = """
#include "port.h"

typedef struct { void *data; uint32_t bytes; } tensor;

static void transfer(const tensor *inputs, int input_count, const tensor *outputs,
                     int output_count, void (*invoke)(void (*)(uint32_t)), int vectors) {
  for (int v = 0; v < vectors; v++) {
    for (int i = 0; i < input_count; i++) {
      for (uint32_t b = 0; b < inputs[i].bytes; b++) {
        int byte;
        do { byte = port_read(); } while (byte < 0);
        ((uint8_t *)inputs[i].data)[b] = (uint8_t)byte;
      }
    }
    invoke(0);
    for (int i = 0; i < output_count; i++) {
      port_write((const uint8_t *)outputs[i].data, outputs[i].bytes);
    }
  }
}
"""


@dataclass(frozen=True)
class Case:
    """A model with input vectors; each vector holds one array per model input."""

    model: bytes
    graph: Graph
    vectors: tuple[Arrays, ...]
    goal: Goal = PORTABLE_BALANCED


def make_case(
    model: bytes, rng: np.random.Generator, vectors: int = 4, goal: Goal = PORTABLE_BALANCED
) -> Case:
    """A case with random inputs, the extremes of every input among them."""
    graph = read_tflite(model)
    return Case(model, graph, tuple(_vector(graph, rng, i) for i in range(vectors)), goal)


def _vector(graph: Graph, rng: np.random.Generator, number: int) -> Arrays:
    arrays = []
    for tensor in graph.inputs:
        if tensor.dtype.value == "float32":
            spread = 140.0 * tensor_scale(graph)
            arrays.append(rng.uniform(-spread, spread, tensor.shape).astype(np.float32))
        elif number == 0:
            arrays.append(np.full(tensor.shape, rng.choice([-128, 127]), np.int8))
        else:
            arrays.append(rng.integers(-128, 128, tensor.shape, np.int8))
    return tuple(arrays)


def tensor_scale(graph: Graph) -> float:
    """Scale of the first quantized tensor, so that float inputs exercise its whole range."""
    return next(t.quantization.scales[0] for t in graph.tensors if t.quantization is not None)


def generate(cases: Sequence[Case], folder: Path) -> Path:
    """Writes the sources of all cases; the returned file includes everything but the port."""
    lines = ["#include <stdint.h>"]
    calls = []
    for number, case in enumerate(cases):
        prefix = f"case{number}"
        sha256 = hashlib.sha256(case.model).hexdigest()
        program = lower(case.graph, case.goal)
        for name, text in render_aot(program, prefix, sha256, prefix).items():
            (folder / name).write_text(text)
        lines += [f'#include "{prefix}_data.c"', f'#include "{prefix}.c"']
        tensors = ", ".join(
            f"(const tensor *){prefix}_{side}, {prefix.upper()}_{count}_COUNT"
            for side, count in (("inputs", "INPUT"), ("outputs", "OUTPUT"))
        )
        calls.append(f"  transfer({tensors}, {prefix}_invoke, {len(case.vectors)});")
    main = folder / "cases.c"
    body = "\n".join(["int main(void) {", "  port_init();", *calls, "  port_halt(0);", "}"])
    main.write_text("\n".join(lines) + _MAIN + body + "\n")
    return main


# Kept until the process ends: every test of a process links the same objects.
_objects_folder = tempfile.TemporaryDirectory(prefix="kernel-objects-")


@functools.cache
def _objects(compiler: tuple[str, ...], port: str) -> list[str]:
    """Kernels and port, compiled once per process."""
    firmware = resource("firmware")
    folder = Path(_objects_folder.name) / port
    folder.mkdir()
    sources = [*firmware.glob("kernels/*.c"), *firmware.glob(f"ports/{port}/*.c")]
    subprocess.run(
        [*compiler, *_includes(port), "-c", *map(str, sorted(sources))], cwd=folder, check=True
    )
    return [str(path) for path in sorted(folder.glob("*.o"))]


def _includes(port: str) -> list[str]:
    firmware = resource("firmware")
    folders = [firmware / "include", firmware / "kernels", firmware / "ports" / port]
    return [f"-I{path}" for path in folders]


def _link(compiler: tuple[str, ...], port: str, main: Path, image: Path, *flags: str) -> None:
    rendered = [p for p in sorted(main.parent.glob("*.[cS]")) if not p.name.startswith("case")]
    sources = [*map(str, (main, *rendered)), *_objects(compiler, port)]
    command = [*compiler, f"-I{main.parent}", *_includes(port), *flags, *sources]
    subprocess.run([*command, "-lm", "-o", str(image)], check=True)


def _parse(cases: Iterable[Case], content: bytes) -> list[list[Arrays]]:
    results: list[list[Arrays]] = []
    position = 0
    for case in cases:
        vectors = []
        for _ in case.vectors:
            arrays = []
            for tensor in case.graph.outputs:
                end = position + tensor.size_bytes
                values = np.frombuffer(content[position:end], tensor.dtype.numpy)
                arrays.append(values.reshape(tensor.shape))
                position = end
            vectors.append(tuple(arrays))
        results.append(vectors)
    assert position == len(content), "the image wrote another number of bytes than it should"
    return results


def _input_bytes(cases: Iterable[Case]) -> bytes:
    return b"".join(a.tobytes() for case in cases for vector in case.vectors for a in vector)


def run_in_qemu(cases: Sequence[Case], folder: Path) -> list[list[Arrays]]:
    """Outputs [case][vector] of the kernels compiled for the emulated Nano 33 BLE."""
    image = folder / "cases.elf"
    script = resource("firmware") / "ports" / "qemu_mps2" / "nano33ble_sim.ld"
    flags = ["-T", str(script), "-nostartfiles", "--specs=nosys.specs", "-Wl,--gc-sections"]
    compiler = ("arm-none-eabi-gcc", *C_FLAGS, *ARM_FLAGS)
    _link(compiler, "qemu_mps2", generate(cases, folder), image, *flags)
    emulator = board("nano33ble_sim").emulator
    assert emulator is not None
    done = subprocess.run(
        emulator.arguments(image),
        input=_input_bytes(cases),
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    return _parse(cases, done.stdout)


def run_on_host(cases: Sequence[Case], folder: Path) -> list[list[Arrays]]:
    """Outputs [case][vector] of the kernels compiled for the host with sanitizers."""
    image = folder / "cases"
    _link(("gcc", *C_FLAGS, *HOST_FLAGS), "host", generate(cases, folder), image)
    done = subprocess.run(
        [str(image)], input=_input_bytes(cases), stdout=subprocess.PIPE, check=True, timeout=120
    )
    return _parse(cases, done.stdout)


def check_against_tflm(cases: Sequence[Case], results: Sequence[Sequence[Arrays]]) -> None:
    """Every output byte is TFLM's."""
    for number, (case, outputs) in enumerate(zip(cases, results, strict=True)):
        expected = interpret(case.model, case.graph, case.vectors)
        for got, want in zip(outputs, expected, strict=True):
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(g, w, f"case {number}, {case.goal}")
