/* Constants of one output channel, and TensorFlow Lite's requantization from them, for cores without
 * SIMD. pipeline/aot/scalar/channels.py computes them and proves that nothing overflows. */
#ifndef SCALAR_CHANNEL_H
#define SCALAR_CHANNEL_H

#include <stdint.h>

typedef struct {
  int32_t bias;        /* with the input's zero point folded in */
  uint32_t multiplier; /* Q0.32: twice TensorFlow Lite's */
  int32_t rounding;    /* half a step and the output's zero point, in units of 2^-shift */
  int32_t shift;       /* to the right, 1..22 */
} scalar_channel;

#ifdef __XTENSA_CALL0_ABI__
/* The upper half of x * y, from products of halves, and bit 31 of the lower half: the lx106 has no
 * instruction for it, and GCC's library multiplies 64 by 64 bits. (The ESP32's LX6 has one; its
 * compiler uses the windowed ABI.) */
static inline int32_t scalar_multiply_high(int32_t x, uint32_t y, uint32_t *bit_31) {
  const uint32_t x0 = (uint32_t)x & 0xffff, y0 = y & 0xffff, y1 = y >> 16;
  const int32_t x1 = x >> 16;
  const uint32_t middle = x0 * y1 + ((x0 * y0) >> 16); /* at most (2^16 - 1)^2 + 2^16 - 1 */
  /* |x1| is at most 2^15, so that its product and the carry fit 32 bits. */
  const int32_t other = x1 * (int32_t)y0 + (int32_t)(middle & 0xffff);
  *bit_31 = (uint32_t)other >> 15 & 1;
  return x1 * (int32_t)y1 + (int32_t)(middle >> 16) + (other >> 16);
}
#else
static inline int32_t scalar_multiply_high(int32_t x, uint32_t y, uint32_t *bit_31) {
  const int64_t product = (int64_t)x * y;
  *bit_31 = (uint32_t)product >> 31;
  return (int32_t)(product >> 32);
}
#endif

/* What requantize_s8 computes before it clamps: the product rounded to nearest, then divided with
 * ties away from zero. */
static inline int32_t scalar_requantize(int32_t sum, const scalar_channel *channel) {
  uint32_t half;
  const int32_t scaled = scalar_multiply_high(sum, channel->multiplier, &half) + (int32_t)half;
  return (scaled + channel->rounding + (scaled >> 31)) >> channel->shift;
}

/* Neither clamp narrows to int8_t, which a store does for nothing. */
static inline int32_t scalar_clamp(int32_t value, int32_t low, int32_t high) {
  value = value < low ? low : value;
  return value > high ? high : value;
}

/* To the whole of int8, in two instructions where the value is inside. */
static inline int32_t scalar_saturate(int32_t value) {
  if (__builtin_expect((uint32_t)value + 128 > 255, 0)) {
    value = (value >> 31) ^ 127;
  }
  return value;
}

#endif
