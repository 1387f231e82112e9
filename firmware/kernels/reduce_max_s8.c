#include "reduce_max_s8.h"

void reduce_max_s8(const reduce_max_s8_params *params, const int8_t *input, int8_t *output) {
  /* Distances of neighbours along reduced_1, kept_1 and reduced_0. */
  const int32_t step_1 = params->kept_2;
  const int32_t middle_step = params->reduced_1 * params->kept_2;
  const int32_t step_0 = params->kept_1 * middle_step;
  for (int32_t outer = 0; outer < params->kept_0; outer++) {
    for (int32_t middle = 0; middle < params->kept_1; middle++) {
      for (int32_t inner = 0; inner < params->kept_2; inner++) {
        const int8_t *first = input + middle * middle_step + inner;
        int8_t largest = INT8_MIN;
        for (int32_t r0 = 0; r0 < params->reduced_0; r0++) {
          for (int32_t r1 = 0; r1 < params->reduced_1; r1++) {
            const int8_t value = first[r0 * step_0 + r1 * step_1];
            largest = value > largest ? value : largest;
          }
        }
        *output++ = largest;
      }
    }
    input += params->reduced_0 * step_0;
  }
}
