/* What GCC for the lx106 calls for integer arithmetic that it knows no instructions for. Debian's
 * libgcc leaves these functions out: on that chip they are in ROM. */
#include <stdint.h>

uint32_t __udivsi3(uint32_t dividend, uint32_t divisor);
uint32_t __umodsi3(uint32_t dividend, uint32_t divisor);
int32_t __divsi3(int32_t dividend, int32_t divisor);
int32_t __modsi3(int32_t dividend, int32_t divisor);
int64_t __muldi3(int64_t a, int64_t b);
uint64_t __udivdi3(uint64_t dividend, uint64_t divisor);
int64_t __divdi3(int64_t dividend, int64_t divisor);

/* Schoolbook division, a bit at a time. */
static uint64_t divide(uint64_t dividend, uint64_t divisor, int bits, uint64_t *remainder) {
  uint64_t quotient = 0, rest = 0;
  for (int bit = bits - 1; bit >= 0; bit--) {
    rest = rest << 1 | (dividend >> bit & 1);
    if (rest >= divisor) {
      rest -= divisor;
      quotient |= UINT64_C(1) << bit;
    }
  }
  *remainder = rest;
  return quotient;
}

uint32_t __udivsi3(uint32_t dividend, uint32_t divisor) {
  uint64_t remainder;
  return (uint32_t)divide(dividend, divisor, 32, &remainder);
}

uint32_t __umodsi3(uint32_t dividend, uint32_t divisor) {
  uint64_t remainder;
  divide(dividend, divisor, 32, &remainder);
  return (uint32_t)remainder;
}

static uint32_t magnitude(int32_t x) { return x < 0 ? 0u - (uint32_t)x : (uint32_t)x; }

int32_t __divsi3(int32_t dividend, int32_t divisor) {
  const uint32_t quotient = __udivsi3(magnitude(dividend), magnitude(divisor));
  return (int32_t)((dividend < 0) != (divisor < 0) ? 0u - quotient : quotient);
}

int32_t __modsi3(int32_t dividend, int32_t divisor) {
  const uint32_t remainder = __umodsi3(magnitude(dividend), magnitude(divisor));
  return (int32_t)(dividend < 0 ? 0u - remainder : remainder);
}

uint64_t __udivdi3(uint64_t dividend, uint64_t divisor) {
  uint64_t remainder;
  return divide(dividend, divisor, 64, &remainder);
}

int64_t __divdi3(int64_t dividend, int64_t divisor) {
  const uint64_t n = dividend < 0 ? 0u - (uint64_t)dividend : (uint64_t)dividend;
  const uint64_t d = divisor < 0 ? 0u - (uint64_t)divisor : (uint64_t)divisor;
  const uint64_t quotient = __udivdi3(n, d);
  return (int64_t)((dividend < 0) != (divisor < 0) ? 0u - quotient : quotient);
}

/* 32 x 32 -> 64 from four products of halves. */
static uint64_t multiply(uint32_t a, uint32_t b) {
  const uint32_t a0 = a & 0xffff, a1 = a >> 16, b0 = b & 0xffff, b1 = b >> 16;
  const uint32_t low = a0 * b0;
  const uint32_t middle = a1 * b0 + (low >> 16); /* at most (2^16 - 1)^2 + 2^16 - 1 */
  const uint32_t other = a0 * b1 + (middle & 0xffff);
  const uint32_t high = a1 * b1 + (middle >> 16) + (other >> 16);
  return (uint64_t)high << 32 | (other << 16 | (low & 0xffff));
}

int64_t __muldi3(int64_t a, int64_t b) {
  const uint64_t x = (uint64_t)a, y = (uint64_t)b;
  const uint32_t x0 = (uint32_t)x, x1 = (uint32_t)(x >> 32);
  const uint32_t y0 = (uint32_t)y, y1 = (uint32_t)(y >> 32);
  return (int64_t)(multiply(x0, y0) + ((uint64_t)(x0 * y1 + x1 * y0) << 32));
}
