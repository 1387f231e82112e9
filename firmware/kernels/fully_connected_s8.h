/* Fully connected layer, int8: every row of the input times a weight matrix.
 *
 * input   int8 [rows][input_size]
 * output  int8 [rows][output_size]
 *
 * output[r][n] = clamp(requantize(bias[n] + sum of input[r][i] * weights[n][i]) + zero point)
 *
 * The bias must contain -(input zero point) * (sum of the weights of n); no sum of these products
 * may leave 32 bits. A pointwise convolution is the same with pixels for rows. */
#ifndef FULLY_CONNECTED_S8_H
#define FULLY_CONNECTED_S8_H

#include <stdint.h>

typedef struct {
  int32_t rows;
  int32_t input_size;
  int32_t output_size;
  int32_t output_zero_point;
  int32_t output_low; /* activation range, within -128..127 */
  int32_t output_high;
  const int8_t *weights;      /* [output_size][input_size] */
  const int32_t *bias;        /* [output_size] */
  const int32_t *multipliers; /* [output_size], Q0.31 */
  const int8_t *shifts;       /* [output_size], -31..30, positive to the left */
} fully_connected_s8_params;

void fully_connected_s8(const fully_connected_s8_params *params, const int8_t *input,
                        int8_t *output);

#endif
