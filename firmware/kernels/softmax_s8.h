/* Softmax over the last axis, TFLite's SOFTMAX for int8 to int8 with scale 1/256 and zero point
 * -128 at the output. */
#ifndef SOFTMAX_S8_H
#define SOFTMAX_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t rows;         /* product of all axes but the last */
  int32_t depth;        /* elements of the last axis, 1..4095 */
  int32_t table_length; /* 1..256 */
  const int32_t *table; /* e^(-beta * scale * d) for a distance d to the row's maximum, Q0.31; what
                         * is behind the end is below 2^11 and counts as 0 */
} softmax_s8_params;

/* The output may be the input. Where a row's exponentials sum to 512 or more, TFLM stops the
 * program; here every output of that row is -128, the value to which the quotients round. */
void softmax_s8(const softmax_s8_params *params, const int8_t *input, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
