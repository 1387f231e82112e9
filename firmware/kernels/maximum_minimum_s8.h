/* Elementwise maximum or minimum of two inputs, TFLite's MAXIMUM and MINIMUM for int8. */
#ifndef MAXIMUM_MINIMUM_S8_H
#define MAXIMUM_MINIMUM_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t inner;             /* elements of the inner loop, at least 1 */
  int32_t input1_step;       /* 1, or 0 where one element of the input serves the inner loop */
  int32_t input2_step;
  int32_t outer_loops;       /* see broadcast.h; the arrays may be null where this is 0 */
  const int32_t *extents;
  const int32_t *input1_jumps;
  const int32_t *input2_jumps;
  int32_t flip;              /* 0: maximum; -1: minimum, which is ~max(~a, ~b) */
} maximum_minimum_s8_params;

/* Inputs and output are quantized alike. The output has the product of `inner` and all extents as
 * elements, row major. It may be one of the inputs where that input has as many elements. */
void maximum_minimum_s8(const maximum_minimum_s8_params *params, const int8_t *input1,
                        const int8_t *input2, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
