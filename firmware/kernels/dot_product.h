/* Sums of products of int8 activations and int8 weights, one or four weight rows at a time: each
 * activation is loaded once for the four. */
#ifndef DOT_PRODUCT_H
#define DOT_PRODUCT_H

#include <stdint.h>

/* Weight rows that dot_product_4 takes. */
enum { DOT_PRODUCT_ROWS = 4 };

/* sum of (x[i] - zero_point) * weights[i], i = 0..count-1 */
static inline int32_t dot_product(const int8_t *x, const int8_t *weights, int32_t count,
                                  int32_t zero_point) {
  int32_t sum = 0;
  for (int32_t i = 0; i < count; i++) {
    sum += (x[i] - zero_point) * weights[i];
  }
  return sum;
}

/* Adds to sums[r] the sum of (x[i] - zero_point) * weights[r * row_stride + i], r = 0..3. */
static inline void dot_product_4(const int8_t *x, const int8_t *weights, int32_t row_stride,
                                 int32_t count, int32_t zero_point, int32_t *sums) {
  const int8_t *const row1 = weights + row_stride;
  const int8_t *const row2 = row1 + row_stride;
  const int8_t *const row3 = row2 + row_stride;
  int32_t sum0 = sums[0];
  int32_t sum1 = sums[1];
  int32_t sum2 = sums[2];
  int32_t sum3 = sums[3];
  for (int32_t i = 0; i < count; i++) {
    const int32_t value = x[i] - zero_point;
    sum0 += value * weights[i];
    sum1 += value * row1[i];
    sum2 += value * row2[i];
    sum3 += value * row3[i];
  }
  sums[0] = sum0;
  sums[1] = sum1;
  sums[2] = sum2;
  sums[3] = sum3;
}

#endif
