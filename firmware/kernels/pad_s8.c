#include "pad_s8.h"

#include <string.h>

/* The loop that advances to the next row, or -1 after the last row. */
static int32_t advance(const pad_s8_params *params, int32_t *indices) {
  for (int32_t loop = 0; loop < params->outer_loops; loop++) {
    if (++indices[loop] < params->extents[loop]) {
      return loop;
    }
    indices[loop] = 0;
  }
  return -1;
}

static int8_t *fill(const pad_s8_params *params, int8_t *output, int32_t count) {
  memset(output, params->value, (size_t)count);
  return output + count;
}

void pad_s8(const pad_s8_params *params, const int8_t *input, int8_t *output) {
  int32_t indices[PAD_S8_MAX_OUTER_LOOPS] = {0};
  output = fill(params, output, params->leading);
  for (;;) {
    memcpy(output, input, (size_t)params->row_bytes);
    input += params->row_bytes;
    output += params->row_bytes;
    const int32_t loop = advance(params, indices);
    if (loop < 0) {
      break;
    }
    output = fill(params, output, params->gaps[loop]);
  }
  fill(params, output, params->trailing);
}
