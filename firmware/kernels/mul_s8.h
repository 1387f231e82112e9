/* Quantized elementwise product, TFLite's MUL for int8. */
#ifndef MUL_S8_H
#define MUL_S8_H

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
  int32_t input1_zero_point; /* -128..127 */
  int32_t input2_zero_point;
  int32_t output_zero_point;
  int32_t output_multiplier; /* Q0.31; input1 scale * input2 scale / output scale */
  int32_t output_shift;      /* -31..15, so that 255 * 255 shifted left fits 32 bits */
  int32_t activation_min;    /* of the output, -128 <= min <= max <= 127 */
  int32_t activation_max;
} mul_s8_params;

/* The output has the product of `inner` and all extents as elements, row major. It may be one of
 * the inputs where that input has as many elements. */
void mul_s8(const mul_s8_params *params, const int8_t *input1, const int8_t *input2,
            int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
