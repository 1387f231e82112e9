/* Mean over up to two runs of adjacent dimensions, int8.
 *
 * input   int8 [kept_0][reduced_0][kept_1][reduced_1][kept_2]
 * output  int8 [kept_0][kept_1][kept_2]
 *
 * output = clamp(requantize((sum - count * input zero point), multiplier, shift) + zero point),
 * where count = reduced_0 * reduced_1, at most 2^23, and the multiplier contains 1 / count. */
#ifndef MEAN_S8_H
#define MEAN_S8_H

#include <stdint.h>

typedef struct {
  int32_t kept_0;
  int32_t reduced_0;
  int32_t kept_1;
  int32_t reduced_1;
  int32_t kept_2;
  int32_t zero_point_sum; /* count * input zero point */
  int32_t multiplier;     /* Q0.31 */
  int32_t shift;          /* -31..30, positive to the left */
  int32_t output_zero_point;
} mean_s8_params;

void mean_s8(const mean_s8_params *params, const int8_t *input, int8_t *output);

#endif
