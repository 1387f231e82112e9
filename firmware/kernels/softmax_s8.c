#include "softmax_s8.h"

#include "requantize.h"

/* Integer bits of the sum of exponentials, so that it is Q12.19. */
enum { SUM_INTEGER_BITS = 12 };

/* Constants of Newton's method for a reciprocal on [1/2, 1], Q2.29. */
#define Q29_ONE (INT32_C(1) << 29)
#define Q29_48_OVER_17 INT32_C(1515870810)
#define Q29_MINUS_32_OVER_17 INT32_C(-1010580540)

/* 1 / (1 + x) in Q0.31 for x in [0, 1), Q0.31; the steps of gemmlowp's fixed-point division. No
 * intermediate leaves 32 bits: the estimate stays within [0.9, 2.1]. */
static int32_t one_over_one_plus_x(int32_t x) {
  const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
  int32_t estimate =
      Q29_48_OVER_17 + doubling_high_multiply(half_denominator, Q29_MINUS_32_OVER_17);
  for (int step = 0; step < 3; step++) {
    const int32_t residual = Q29_ONE - doubling_high_multiply(half_denominator, estimate);
    estimate += doubling_high_multiply(estimate, residual) * 4;
  }
  return estimate > INT32_MAX / 2 ? INT32_MAX : estimate * 2;
}

/* The table's entry for an element, 0 behind the table's end. */
static inline int32_t exponential(const softmax_s8_params *params, int32_t max, int32_t value) {
  return max - value < params->table_length ? params->table[max - value] : 0;
}

static void softmax_row(const softmax_s8_params *params, const int8_t *input, int8_t *output) {
  const int32_t depth = params->depth;
  int32_t max = input[0];
  for (int32_t i = 1; i < depth; i++) {
    max = input[i] > max ? input[i] : max;
  }
  uint32_t sum = 0;
  for (int32_t i = 0; i < depth; i++) {
    const uint32_t rounding = UINT32_C(1) << (SUM_INTEGER_BITS - 1);
    sum += ((uint32_t)exponential(params, max, input[i]) + rounding) >> SUM_INTEGER_BITS;
  }
  /* sum = mantissa * 2^exponent with 1 <= mantissa < 2; the output is 256 / sum times the table's
   * entry, which is mantissa's reciprocal shifted right by 23 + exponent. */
  int32_t exponent = SUM_INTEGER_BITS;
  do {
    exponent--;
    sum <<= 1;
  } while (sum < UINT32_C(1) << 31);
  int32_t scale = one_over_one_plus_x((int32_t)(sum - (UINT32_C(1) << 31)));
  int32_t shift = exponent + 23;
  if (shift > 31) {
    scale = 0;
    shift = 31;
  }
  for (int32_t i = 0; i < depth; i++) {
    const int32_t product = doubling_high_multiply(exponential(params, max, input[i]), scale);
    output[i] = clamp_s8(rounding_shift_right(product, shift) - 128, -128, 127);
  }
}

void softmax_s8(const softmax_s8_params *params, const int8_t *input, int8_t *output) {
  for (int32_t row = 0; row < params->rows; row++) {
    softmax_row(params, input, output);
    input += params->depth;
    output += params->depth;
  }
}
