/* Transposed two-dimensional convolution, TFLite's TRANSPOSE_CONV for int8.
 *
 * input   int8 [batches][input_height][input_width][input_channels]
 * output  int8 [batches][output_height][output_width][output_channels]
 *
 * Tap (ky, kx) of input pixel (y, x) adds to output pixel (y * stride_height + ky - padding_top,
 * x * stride_width + kx - padding_left) where that exists. No sum of products may leave 32 bits. */
#ifndef TRANSPOSE_CONV_S8_H
#define TRANSPOSE_CONV_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t input_channels;
  int32_t output_height;
  int32_t output_width;
  int32_t output_channels;
  int32_t kernel_height;
  int32_t kernel_width;
  int32_t stride_height;
  int32_t stride_width;
  int32_t padding_top;
  int32_t padding_left;
  int32_t input_zero_point;
  int32_t output_zero_point;
  int32_t output_low; /* activation range, within -128..127 */
  int32_t output_high;
  const int8_t *weights;      /* [output_channels][kernel_height][kernel_width][input_channels] */
  const int32_t *bias;        /* [output_channels] */
  const int32_t *multipliers; /* [output_channels], Q0.31 */
  const int8_t *shifts;       /* [output_channels], -31..30, positive to the left */
} transpose_conv_s8_params;

void transpose_conv_s8(const transpose_conv_s8_params *params, const int8_t *input,
                       int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
