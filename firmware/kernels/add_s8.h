/* Quantized addition and subtraction, TFLite's ADD and SUB for int8. */
#ifndef ADD_S8_H
#define ADD_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Left shift of both inputs before they are scaled, as TFLite's. */
enum { ADD_S8_LEFT_SHIFT = 20 };

typedef struct {
  int32_t inner;               /* elements of the inner loop, at least 1 */
  int32_t input1_step;         /* 1, or 0 where one element of the input serves the inner loop */
  int32_t input2_step;
  int32_t outer_loops;         /* see broadcast.h; the arrays may be null where this is 0 */
  const int32_t *extents;
  const int32_t *input1_jumps;
  const int32_t *input2_jumps;
  int32_t input1_zero_point;   /* -128..127 */
  int32_t input1_multiplier;   /* Q0.31; scale / (2 * the larger of both scales) */
  int32_t input1_shift;        /* -31..0 */
  int32_t input2_zero_point;
  int32_t input2_multiplier;
  int32_t input2_shift;
  int32_t output_zero_point;
  int32_t output_multiplier;   /* Q0.31; 2 * the larger scale / (2^20 * output scale) */
  int32_t output_shift;        /* -31..0 */
  int32_t activation_min;      /* of the output, -128 <= min <= max <= 127 */
  int32_t activation_max;
} add_s8_params;

/* The output has the product of `inner` and all extents as elements, row major. It may be one of
 * the inputs where that input has as many elements. */
void add_s8(const add_s8_params *params, const int8_t *input1, const int8_t *input2,
            int8_t *output);

/* input1 - input2, otherwise as add_s8. The fixed-point rounding is not symmetric around 0: this is
 * not add_s8 with the sign of input2 turned. */
void sub_s8(const add_s8_params *params, const int8_t *input1, const int8_t *input2,
            int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
