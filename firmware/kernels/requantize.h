/* TensorFlow Lite's fixed-point scaling, bit for bit (double rounding). */
#ifndef REQUANTIZE_H
#define REQUANTIZE_H

#include <stdint.h>

/* x * multiplier / 2^31, rounded to nearest, ties towards plus infinity. The pair
 * (INT32_MIN, INT32_MIN) does not occur: no multiplier is INT32_MIN. */
static inline int32_t doubling_high_multiply(int32_t x, int32_t multiplier) {
  return (int32_t)(((int64_t)x * multiplier + (INT64_C(1) << 30)) >> 31);
}

/* x / 2^exponent, rounded to nearest, ties away from zero; exponent 0..31. */
static inline int32_t rounding_shift_right(int32_t x, int32_t exponent) {
  if (exponent == 0) {
    return x;
  }
  return (int32_t)(((int64_t)x + (INT64_C(1) << (exponent - 1)) - (x < 0)) >> exponent);
}

/* x * multiplier * 2^(shift - 31): a positive shift goes left and is applied first, a negative one
 * goes right and is applied last. The left-shifted x fits 32 bits in any valid model. */
static inline int32_t requantize(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0;
  const int32_t right = shift > 0 ? 0 : -shift;
  return rounding_shift_right(
      doubling_high_multiply((int32_t)((uint32_t)x << left), multiplier), right);
}

static inline int8_t clamp_s8(int32_t x, int32_t low, int32_t high) {
  return (int8_t)(x < low ? low : (x > high ? high : x));
}

/* An int8 output from an accumulator; low and high are its activation range. The sum wraps where a
 * left shift has left 32 bits, as in TensorFlow Lite Micro's build. */
static inline int8_t requantize_s8(int32_t x, int32_t multiplier, int32_t shift,
                                   int32_t zero_point, int32_t low, int32_t high) {
  const uint32_t scaled = (uint32_t)requantize(x, multiplier, shift);
  return clamp_s8((int32_t)(scaled + (uint32_t)zero_point), low, high);
}

#endif
