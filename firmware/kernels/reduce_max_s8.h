/* Largest value over up to two runs of adjacent dimensions, TFLite's REDUCE_MAX for int8.
 *
 * input   int8 [kept_0][reduced_0][kept_1][reduced_1][kept_2]
 * output  int8 [kept_0][kept_1][kept_2], quantized as the input */
#ifndef REDUCE_MAX_S8_H
#define REDUCE_MAX_S8_H

#include <stdint.h>

typedef struct {
  int32_t kept_0;
  int32_t reduced_0;
  int32_t kept_1;
  int32_t reduced_1;
  int32_t kept_2;
} reduce_max_s8_params;

void reduce_max_s8(const reduce_max_s8_params *params, const int8_t *input, int8_t *output);

#endif
