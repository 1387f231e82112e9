"""What kernels promise where TFLM's result is undefined or TFLM stops; twins under sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from armv7em_cases import softmax_call
from kernel_image import C_FLAGS, HOST_FLAGS
from pipeline.aot.program import ConstArray
from pipeline.resources import resource

_QUANTIZE = """
#include <math.h>
#include <stdio.h>
#include "quantize_f32_s8.h"

int main(void) {
  const float input[] = {INFINITY, -INFINITY, NAN, 1e30f, -1e30f, 3e9f, -3e9f};
  int8_t output[7];
  const quantize_f32_s8_params params = {.count = 7, .scale = 0.5f, .zero_point = -5};
  quantize_f32_s8(&params, input, output);
  for (int i = 0; i < 7; i++) { printf("%d ", output[i]); }
}
"""

_SOFTMAX = """
#include <stdio.h>
#include "softmax_s8.h"

int main(void) {
  static int8_t data[4095]; /* all equal: the exponentials sum to the depth */
  const int32_t table[] = {INT32_MAX};
  for (int depth = 511; depth <= 4095; depth = depth == 511 ? 512 : 8 * depth - 1) {
    const softmax_s8_params params = {.rows = 1, .depth = depth, .table_length = 1, .table = table};
    for (int i = 0; i < depth; i++) { data[i] = 7; }
    softmax_s8(&params, data, data);
    printf("%d %d ", data[0], data[depth - 1]);
  }
}
"""


_SOFTMAX_TWINS = """
#include <stdio.h>
#include <string.h>
#include "softmax_computed_s8.h"
#include "softmax_s8.h"

static int differ(softmax_s8_params table, softmax_computed_s8_params computed) {
  static int8_t every[256], first[256], second[256];
  static int32_t scratch[256];
  int count = 0;
  for (int i = 0; i < 256; i++) { every[i] = (int8_t)(127 - i); }
  for (int depth = 1; depth <= 256; depth++) {
    table.depth = computed.depth = depth;
    softmax_s8(&table, every, first);
    softmax_computed_s8(&computed, every, second, scratch);
    count += memcmp(first, second, (size_t)depth) != 0;
  }
  return count;
}

int main(void) {
"""


def _run(kernel: str, main: str, folder: Path, *others: str) -> list[int]:
    source, image = folder / "main.c", folder / "main"
    source.write_text(main)
    kernels = resource("firmware") / "kernels"
    files = [str(source), *(str(kernels / f"{name}.c") for name in (kernel, *others))]
    files += ["-lm", "-o", str(image)]
    subprocess.run(["gcc", *C_FLAGS, *HOST_FLAGS, f"-I{kernels}", *files], check=True)
    done = subprocess.run([str(image)], check=True, capture_output=True, text=True)
    return [int(number) for number in done.stdout.split()]


def test_quantize_saturates_whatever_the_size_and_takes_nan_for_zero(tmp_path: Path) -> None:
    assert _run("quantize_f32_s8", _QUANTIZE, tmp_path) == [127, -128, -5, 127, -128, 127, -128]


def test_softmax_of_many_equal_classes_rounds_to_nothing(tmp_path: Path) -> None:
    # 256 / 511 of a step rounds to one step, 256 / 512 and less to none.
    assert _run("softmax_s8", _SOFTMAX, tmp_path) == [-127, -127, *[-128] * 4]


def test_exponentials_computed_give_what_the_table_gives(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    lines = []
    for _ in range(20):
        call = softmax_call(rng, 1, 256)
        table, computed = call.params["table"], call.alternatives[0].params
        assert isinstance(table, ConstArray)
        values = ",".join(map(str, table.data.tolist()))
        scale = ", ".join(str(computed[name]) for name in ("multiplier", "shift", "furthest"))
        lines.append(f"  {{ static const int32_t table[] = {{{values}}};")
        lines.append(f"    const softmax_s8_params first = {{1, 1, {table.data.size}, table}};")
        lines.append(f"    const softmax_computed_s8_params second = {{1, 1, {scale}}};")
        lines.append('    printf("%d ", differ(first, second)); }')
    main = _SOFTMAX_TWINS + "\n".join([*lines, "}"])
    assert _run("softmax_s8", main, tmp_path, "softmax_computed_s8") == [0] * 20
