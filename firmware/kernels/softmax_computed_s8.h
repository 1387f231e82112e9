/* What softmax_s8 computes, with the exponentials computed where that has a table of up to 1024
 * bytes: some 150 instructions for every element more.
 *
 * scratch 4 bytes for every element of the last axis, aligned to 4 */
#ifndef SOFTMAX_COMPUTED_S8_H
#define SOFTMAX_COMPUTED_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t rows;       /* product of all axes but the last */
  int32_t depth;      /* elements of the last axis, 1..4095 */
  int32_t multiplier; /* from a distance to the row's maximum to Q5.26, see requantize() */
  int32_t shift;      /* not negative */
  int32_t furthest;   /* the exponential of longer distances is 0 */
} softmax_computed_s8_params;

/* The output may be the input. */
void softmax_computed_s8(const softmax_computed_s8_params *params, const int8_t *input,
                         int8_t *output, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
