#include "mean_s8.h"

#include "requantize.h"

void mean_s8(const mean_s8_params *params, const int8_t *input, int8_t *output) {
  /* Distances of neighbours along reduced_1, kept_1 and reduced_0. */
  const int32_t step_1 = params->kept_2;
  const int32_t middle_step = params->reduced_1 * params->kept_2;
  const int32_t step_0 = params->kept_1 * middle_step;
  for (int32_t outer = 0; outer < params->kept_0; outer++) {
    for (int32_t middle = 0; middle < params->kept_1; middle++) {
      for (int32_t inner = 0; inner < params->kept_2; inner++) {
        const int8_t *first = input + middle * middle_step + inner;
        int32_t sum = -params->zero_point_sum;
        for (int32_t r0 = 0; r0 < params->reduced_0; r0++) {
          for (int32_t r1 = 0; r1 < params->reduced_1; r1++) {
            sum += first[r0 * step_0 + r1 * step_1];
          }
        }
        *output++ = requantize_s8(sum, params->multiplier, params->shift,
                                  params->output_zero_point, INT8_MIN, INT8_MAX);
      }
    }
    input += params->reduced_0 * step_0;
  }
}
