/* Depthwise 3x3 convolution for cores without SIMD, one image, undilated, one output channel for every
 * input channel, the same stride both ways: what depthwise_conv_2d_s8 computes. Rendered from
 * templates/aot/scalar/depthwise_3x3_s8.c.j2.
 *
 * input   int8 [input_height][input_width][channels]
 * output  int8 [output_height][output_width][channels]
 * scratch plane_bytes */
#ifndef SCALAR_DEPTHWISE_3X3_S8_H
#define SCALAR_DEPTHWISE_3X3_S8_H

#include <stdint.h>

typedef struct {
  int32_t input_height;
  int32_t input_width;
  int32_t channels;
  int32_t output_height;
  int32_t output_width;
  int32_t padding_top;
  int32_t padding_left;
  int32_t input_zero_point;
  int32_t output_low; /* activation range, within -128..127 */
  int32_t output_high;
  int32_t plane_bytes;      /* one channel with its padding */
  const int8_t *weights;    /* [channels][9] */
  const int32_t *constants; /* [channels] of the kernel's scalar_channel */
} scalar_depthwise_3x3_s8_params;

#endif
