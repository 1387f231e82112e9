"""Kernel calls beside their candidates, many in one emulated image, canaries around all.

Every case runs the portable call and its candidate on the same random input, with an input and an
output at any address, and compares every byte and every canary on the emulated core.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emulated_boards import compiler, port_sources
from kernel_image import C_FLAGS
from pipeline.aot.cost import Candidate
from pipeline.aot.program import ConstArray, FieldValue, KernelCall
from pipeline.boards import Board, board
from pipeline.codegen.aot import float_literal
from pipeline.codegen.templates import render_template
from pipeline.graph import DType, Quantization, Tensor
from pipeline.resources import resource

CANARY_BYTES = 16
_STATUS = {
    1: "another output",
    2: "wrote before or behind the output",
    4: "wrote beside scratch",
    8: "changed its input",
}

_MAIN = """
#include "port.h"
#include <string.h>

enum { CANARY = 16, AREA = %(area)d, VECTORS = 3 };

typedef struct {
  void (*function)(void);
  const void *params;
  int32_t scratch_bytes; /* 0: it takes none */
} kernel;

typedef struct {
  kernel portable, candidate;
  int32_t input_count;
  int32_t input_bytes[2];
  int32_t output_bytes;
  int32_t input_offset, output_offset;
} kernel_case;

static _Alignas(8) int8_t inputs[2][AREA], kept[2][AREA];
static _Alignas(8) int8_t expected[AREA], area[AREA];
_Alignas(8) int8_t scratch[AREA];
static uint32_t state = %(seed)u;

static void fill(int8_t *bytes, int count, int extreme) {
  for (int i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    bytes[i] = extreme == 1 ? -128 : extreme == 2 ? 127 : (int8_t)(state >> 24);
  }
}

static int intact(const int8_t *bytes, int count) {
  for (int i = 0; i < count; i++) {
    if (bytes[i] != 0x5a) {
      return 0;
    }
  }
  return 1;
}

static void write_word(uint32_t word) { port_write((const uint8_t *)&word, sizeof word); }

/* Ticks. The last argument of a kernel without scratch is one that it does not look at. */
static uint32_t call(const kernel *k, const kernel_case *c, int8_t *output, uint32_t *status) {
  typedef void unary(const void *, const int8_t *, int8_t *, void *);
  typedef void binary(const void *, const int8_t *, const int8_t *, int8_t *, void *);
  const int8_t *first = inputs[0] + c->input_offset, *second = inputs[1] + c->input_offset;
  memset(scratch, 0x5a, (size_t)(k->scratch_bytes + 2 * CANARY));
  const uint32_t begin = port_counter();
  if (c->input_count == 1) {
    ((unary *)k->function)(k->params, first, output, scratch + CANARY);
  } else {
    ((binary *)k->function)(k->params, first, second, output, scratch + CANARY);
  }
  const uint32_t ticks = port_counter() - begin;
  if (!intact(scratch, CANARY) || !intact(scratch + CANARY + k->scratch_bytes, CANARY)) {
    *status |= 4;
  }
  return ticks;
}

static void run(const kernel_case *c) {
  uint32_t status = 0, portable_ticks = 0, candidate_ticks = 0;
  int8_t *const output = area + CANARY + c->output_offset;
  for (int vector = 0; vector < VECTORS; vector++) {
    memset(inputs, 0x33, sizeof inputs);
    memset(area, 0x5a, sizeof area);
    for (int i = 0; i < c->input_count; i++) {
      fill(inputs[i] + c->input_offset, c->input_bytes[i], vector);
    }
    memcpy(kept, inputs, sizeof inputs);
    portable_ticks = call(&c->portable, c, expected, &status);
    candidate_ticks = call(&c->candidate, c, output, &status);
    status |= memcmp(expected, output, (size_t)c->output_bytes) != 0 ? 1 : 0;
    if (!intact(area, (int)(output - area)) || !intact(output + c->output_bytes, CANARY)) {
      status |= 2;
    }
    status |= memcmp(kept, inputs, sizeof inputs) != 0 ? 8 : 0;
  }
  write_word(status);
  write_word(candidate_ticks);
  write_word(portable_ticks);
}
"""


@dataclass(frozen=True, eq=False)
class KernelCase:
    """A portable call, what replaces it, and how far from alignment its buffers are (0..3)."""

    call: KernelCall
    candidate: Candidate
    input_offset: int = 0
    output_offset: int = 0


@dataclass(frozen=True)
class KernelResult:
    """What one case gave.

    Attributes:
        faults: what differs; empty where nothing does.
        instructions: of the candidate.
        portable_instructions: of the portable call.
    """

    faults: tuple[str, ...]
    instructions: int
    portable_instructions: int


def activation(*shape: int) -> Tensor:
    """An int8 tensor for a call made by hand."""
    return Tensor(0, "", shape, DType.INT8, Quantization((1.0,), (0,)))


def _c_value(value: FieldValue, prefix: str) -> str:
    if value is None:
        return "0"
    if isinstance(value, ConstArray):
        return f"{prefix}_{value.name}"
    return float_literal(value) if isinstance(value, float) else f"(int32_t){value}"


def _constants(params: Mapping[str, FieldValue], prefix: str, interface: str) -> list[str]:
    lines = []
    for value in params.values():
        if isinstance(value, ConstArray):
            text = ",".join(f"(int32_t){v}LL" for v in value.data.ravel().tolist())
            kind = value.data.dtype.name
            lines.append(f"static const {kind}_t {prefix}_{value.name}[] = {{{text}}};")
    fields = ", ".join(f".{name} = {_c_value(v, prefix)}" for name, v in params.items())
    return [*lines, f"static const {interface}_params {prefix} = {{{fields}}};"]


def _kernel(call: KernelCall, prefix: str) -> str:
    return f"{{(void (*)(void)){call.kernel}, &{prefix}, {call.scratch_bytes}}}"


def _case_lines(number: int, case: KernelCase) -> tuple[list[str], str]:
    """Declarations of one case, and its entry in the table."""
    (candidate,) = case.candidate.calls
    portable = case.call
    sizes = [t.size_bytes for t in portable.inputs]
    names = f"case{number}_portable", f"case{number}_candidate"
    declarations = [
        line
        for call, name in zip((portable, candidate), names, strict=True)
        for line in _constants(call.params, name, call.interface)
    ]
    fields = [
        *(_kernel(call, name) for call, name in zip((portable, candidate), names, strict=True)),
        str(len(sizes)),
        f"{{{', '.join(map(str, sizes))}}}",
        str(portable.outputs[0].size),
        str(case.input_offset),
        str(case.output_offset),
    ]
    return declarations, f"  {{{', '.join(fields)}}},"


def _prototype(call: KernelCall) -> str:
    pointers = ", const int8_t *" * len(call.inputs) + ", int8_t *"
    scratch = ", void *" if call.scratch_bytes else ""
    return f"void {call.kernel}(const {call.interface}_params *{pointers}{scratch});"


def _source(cases: Sequence[KernelCase], folder: Path, seed: int) -> Path:
    calls = [c for case in cases for c in (case.call, *case.candidate.calls)]
    largest = max(
        [t.size for c in calls for t in (*c.inputs, *c.outputs)] + [c.scratch_bytes for c in calls]
    )
    lines = ["#include <stdint.h>"]
    lines += [f'#include "{name}.h"' for name in sorted({call.interface for call in calls})]
    rendered = {call.kernel: call for call in calls if call.rendered is not None}
    for name, call in sorted(rendered.items()):
        assert call.rendered is not None
        text = render_template(
            f"aot/{call.rendered.template}",
            kernel=name,
            interface=call.interface,
            **dict(call.rendered.values),
        )
        suffix = Path(call.rendered.template.removesuffix(".j2")).suffix
        (folder / f"{name}{suffix}").write_text(text)
        lines.append(_prototype(call))
    lines.append(_MAIN % {"area": largest + 4 * CANARY_BYTES + 8, "seed": seed})
    entries = []
    for number, case in enumerate(cases):
        declarations, entry = _case_lines(number, case)
        lines += declarations
        entries.append(entry)
    lines += ["static const kernel_case cases[] = {", *entries, "};"]
    lines.append("int main(void) {\n  port_init();")
    lines.append(f"  for (int i = 0; i < {len(cases)}; i++) {{ run(&cases[i]); }}")
    lines.append("  port_halt(0);\n}")
    path = folder / "cases.c"
    path.write_text("\n".join(lines) + "\n")
    return path


def run_cases(
    cases: Sequence[KernelCase], folder: Path, seed: int = 1, board_id: str = "nano33ble_sim"
) -> list[KernelResult]:
    """Results of all cases, three input vectors each: random, all -128, all 127."""
    source = _source(cases, folder, seed)
    firmware, target = resource("firmware"), board(board_id)
    image = folder / "cases.elf"
    command = [*compiler(board_id), *C_FLAGS, f"-I{folder}"]
    command += [f"-I{firmware / name}" for name in ("include", "kernels", f"ports/{target.port}")]
    calls = [call for case in cases for call in (case.call, *case.candidate.calls)]
    rendered = {call.kernel for call in calls if call.rendered is not None}
    kernels = {call.kernel for call in calls} - rendered
    sources = [firmware / "kernels" / f"{name}.c" for name in sorted(kernels)]
    sources += [path for path in sorted(folder.iterdir()) if path.stem in rendered]
    sources += port_sources(board_id)
    command += [str(source), *map(str, sources), "-lm", "-o", str(image)]
    subprocess.run(command, check=True)
    assert target.emulator is not None
    done = subprocess.run(
        target.emulator.arguments(image), stdout=subprocess.PIPE, check=True, timeout=600
    )
    words = np.frombuffer(done.stdout, np.uint32).reshape(-1, 3)
    assert len(words) == len(cases), done.stdout[-100:]
    return [
        KernelResult(
            tuple(text for bit, text in _STATUS.items() if status & bit),
            _instructions(target, candidate),
            _instructions(target, portable),
        )
        for status, candidate, portable in words.tolist()
    ]


def _instructions(target: Board, ticks: int) -> int:
    count = target.counter.instructions(ticks)
    assert count is not None
    return count
