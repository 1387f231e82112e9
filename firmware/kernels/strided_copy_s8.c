#include "strided_copy_s8.h"

#include <stdbool.h>
#include <string.h>

/* Moves `position` to the next inner loop; false after the last. */
static bool advance(const strided_copy_s8_params *params, int32_t *indices, int32_t *position) {
  for (int32_t loop = 0; loop < params->outer_loops; loop++) {
    if (++indices[loop] < params->extents[loop]) {
      *position += params->jumps[loop];
      return true;
    }
    indices[loop] = 0;
  }
  return false;
}

void strided_copy_s8(const strided_copy_s8_params *params, const int8_t *input, int8_t *output) {
  const int32_t inner = params->inner;
  const int32_t step = params->inner_step;
  int32_t indices[STRIDED_COPY_S8_MAX_OUTER_LOOPS] = {0};
  /* An index, not a pointer: behind a loop that goes back it is negative. */
  int32_t position = params->offset;
  do {
    if (step == 1) {
      memcpy(output, input + position, (size_t)inner);
      position += inner;
    } else {
      for (int32_t i = 0; i < inner; i++) {
        output[i] = input[position];
        position += step;
      }
    }
    output += inner;
  } while (advance(params, indices, &position));
}
