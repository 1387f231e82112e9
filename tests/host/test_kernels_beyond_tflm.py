"""What kernels promise where TFLM's own result is undefined or where TFLM stops the program."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kernel_image import C_FLAGS, HOST_FLAGS
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


def _run(kernel: str, main: str, folder: Path) -> list[int]:
    source, image = folder / "main.c", folder / "main"
    source.write_text(main)
    kernels = resource("firmware") / "kernels"
    files = [str(source), str(kernels / f"{kernel}.c"), "-lm", "-o", str(image)]
    subprocess.run(["gcc", *C_FLAGS, *HOST_FLAGS, f"-I{kernels}", *files], check=True)
    done = subprocess.run([str(image)], check=True, capture_output=True, text=True)
    return [int(number) for number in done.stdout.split()]


def test_quantize_saturates_whatever_the_size_and_takes_nan_for_zero(tmp_path: Path) -> None:
    assert _run("quantize_f32_s8", _QUANTIZE, tmp_path) == [127, -128, -5, 127, -128, 127, -128]


def test_softmax_of_many_equal_classes_rounds_to_nothing(tmp_path: Path) -> None:
    # 256 / 511 of a step rounds to one step, 256 / 512 and less to none.
    assert _run("softmax_s8", _SOFTMAX, tmp_path) == [-127, -127, *[-128] * 4]
