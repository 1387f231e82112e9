#include "concatenate_s8.h"

#include <string.h>

void concatenate_s8(const concatenate_s8_params *params, const int8_t *input, int8_t *output) {
  const int32_t bytes = params->block_bytes;
  output += params->output_offset;
  for (int32_t block = 0; block < params->blocks; block++) {
    memcpy(output + block * params->output_stride, input + block * bytes, (size_t)bytes);
  }
}
