/* Product of two tensors on Armv7E-M: what mul_s8 computes, with the requantization of the matrix
 * kernels (pipeline/aot/armv7em/requantization.py). The kernels are rendered from
 * templates/aot/armv7em/mul_s8.c.j2. The output may be an input that has as many elements. */
#ifndef ARMV7EM_MUL_S8_H
#define ARMV7EM_MUL_S8_H

#include <stdint.h>

typedef struct {
  int32_t inner; /* these as in mul_s8; the steps are immediates */
  int32_t outer_loops;
  const int32_t *extents;
  const int32_t *input1_jumps;
  const int32_t *input2_jumps;
  int32_t input1_zero_point;
  int32_t input2_zero_point;
  int32_t multiplier;
  int32_t phase;
  int32_t offset;
  int32_t negative_step; /* the offset is that much less for a negative product */
} armv7em_mul_s8_params;

#endif
