"""A hand-written stand-in for generated sources, whose work a test can predict to the instruction.

Inputs: a 32-bit number of loops, and 300 bytes. Outputs: those bytes backwards, each xor 0x55, and
the number of loops. Step 0 reverses, step 1 does the rest and spoils both inputs.
"""

from __future__ import annotations

import struct
from pathlib import Path

VECTOR_BYTES = 300
INPUT_BYTES = OUTPUT_BYTES = 4 + VECTOR_BYTES
ARENA_BYTES = INPUT_BYTES + OUTPUT_BYTES
SHA256 = bytes(range(32))
LOOP_INSTRUCTIONS = 3  # of one pass through step 1's loop on Cortex-M4
SCALAR_LOOP_INSTRUCTIONS = 2  # on RISC-V and Xtensa

_INFO = f"""
#define MODEL_NAME "scripted"
#define MODEL_SHA256 {{{", ".join(map(str, SHA256))}}}
#define MODEL_INPUT_BYTES {INPUT_BYTES}
#define MODEL_OUTPUT_BYTES {OUTPUT_BYTES}
#define MODEL_OPERATOR_COUNT 2
#define MODEL_OUTPUTS {{{{RESULT_INT8, -128, 1, -8}}, {{RESULT_INT32, 0, 1, 0}}}}
#define MODEL_DB_MASK 0
"""

_HEADER = f"""
#include <stdint.h>
#define MODEL_ARENA_BYTES {ARENA_BYTES}
#define MODEL_INPUT_COUNT 2
#define MODEL_OUTPUT_COUNT 2
#define MODEL_STEP_COUNT 2
typedef struct {{ void *data; uint32_t bytes; }} model_tensor;
extern const model_tensor model_inputs[2], model_outputs[2], model_step_outputs[];
extern const uint16_t model_step_first[3];
void model_invoke(void (*after_step)(uint32_t step));
"""

_SOURCE = """
#include "model.h"
#include <stddef.h>
#include <string.h>
enum { N = VECTOR_BYTES };
uint32_t loops_in, loops_out;
uint8_t vector_in[N], vector_out[N];
DECLARATIONS
static void loop(uint32_t passes) {
#ifdef __arm__
  __asm__ volatile("1: nop\\n subs %0, #1\\n bne 1b\\n" : "+r"(passes) : : "cc");
#elif defined __riscv || defined __XTENSA__
  __asm__ volatile("1: addi %0, %0, -1\\n bnez %0, 1b\\n" : "+r"(passes));
#else
  for (volatile uint32_t i = 0; i < passes; i++) {}
#endif
}
void model_invoke(void (*after_step)(uint32_t step)) {
  for (int i = 0; i < N; i++) { vector_out[i] = vector_in[N - 1 - i]; }
  if (after_step != NULL) { after_step(0); }
  for (int i = 0; i < N; i++) { vector_out[i] ^= 0x55; }
  loops_out = loops_in;
  loop((loops_in & 0xffff) + 1);
  STATEMENTS
  memset(vector_in, 0xee, N);
  loops_in = 0xeeeeeeee;
  if (after_step != NULL) { after_step(1); }
}
const model_tensor model_inputs[] = {{&loops_in, 4}, {vector_in, N}};
const model_tensor model_outputs[] = {{vector_out, N}, {&loops_out, 4}};
const model_tensor model_step_outputs[] = {{vector_out, N}, {vector_out, N}, {&loops_out, 4}};
const uint16_t model_step_first[] = {0, 1, 3};
"""


def write_scripted_model(folder: Path, declarations: str = "", statements: str = "") -> Path:
    """Writes the sources into `folder`, with C of the test's own in front of and inside step 1."""
    source = _SOURCE.replace("VECTOR_BYTES", str(VECTOR_BYTES))
    source = source.replace("DECLARATIONS", declarations).replace("STATEMENTS", statements)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"model_info.h": _INFO, "model.h": _HEADER, "model.c": source}.items():
        (folder / name).write_text(text)
    return folder


def model_input(loops: int, vector: bytes) -> bytes:
    return struct.pack("<I", loops) + vector


def model_output(loops: int, vector: bytes) -> bytes:
    return reversed_vector(vector, mask=0x55) + struct.pack("<I", loops)


def reversed_vector(vector: bytes, mask: int = 0) -> bytes:
    return bytes(byte ^ mask for byte in vector[::-1])
