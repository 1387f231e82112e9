/* The division of softmax: exponentials, Q0.31, by their sum. */
#ifndef SOFTMAX_DIVISION_H
#define SOFTMAX_DIVISION_H

#include "requantize.h"

/* Integer bits of the sum of exponentials, so that it is Q12.19. */
enum { SUM_INTEGER_BITS = 12 };

/* Constants of Newton's method for a reciprocal on [1/2, 1], Q2.29. */
#define Q29_ONE (INT32_C(1) << 29)
#define Q29_48_OVER_17 INT32_C(1515870810)
#define Q29_MINUS_32_OVER_17 INT32_C(-1010580540)

/* 1 / (1 + x) in Q0.31 for x in [0, 1), Q0.31; the steps of gemmlowp's fixed-point division. No
 * intermediate leaves 32 bits: the estimate stays within [0.9, 2.1]. */
static inline int32_t one_over_one_plus_x(int32_t x) {
  const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
  int32_t estimate =
      Q29_48_OVER_17 + doubling_high_multiply(half_denominator, Q29_MINUS_32_OVER_17);
  for (int step = 0; step < 3; step++) {
    const int32_t residual = Q29_ONE - doubling_high_multiply(half_denominator, estimate);
    estimate += doubling_high_multiply(estimate, residual) * 4;
  }
  return estimate > INT32_MAX / 2 ? INT32_MAX : estimate * 2;
}

/* What an exponential adds to the sum of its row. */
static inline uint32_t softmax_term(int32_t exponential) {
  const uint32_t rounding = UINT32_C(1) << (SUM_INTEGER_BITS - 1);
  return ((uint32_t)exponential + rounding) >> SUM_INTEGER_BITS;
}

typedef struct {
  int32_t scale;
  int32_t shift;
} softmax_divisor;

/* sum = mantissa * 2^exponent with 1 <= mantissa < 2; an output is 256 / sum times its exponential,
 * which is mantissa's reciprocal shifted right by 23 + exponent. */
static inline softmax_divisor softmax_divisor_of(uint32_t sum) {
  int32_t exponent = SUM_INTEGER_BITS;
  do {
    exponent--;
    sum <<= 1;
  } while (sum < UINT32_C(1) << 31);
  const int32_t shift = exponent + 23;
  if (shift > 31) {
    return (softmax_divisor){0, 31};
  }
  return (softmax_divisor){one_over_one_plus_x((int32_t)(sum - (UINT32_C(1) << 31))), shift};
}

static inline int8_t softmax_quotient(int32_t exponential, softmax_divisor divisor) {
  const int32_t product = doubling_high_multiply(exponential, divisor.scale);
  return clamp_s8(rounding_shift_right(product, divisor.shift) - 128, -128, 127);
}

#endif
