/* Depthwise convolution, int8, any kernel, stride, dilation, padding and depth multiplier.
 *
 * input   int8 [batches][input_height][input_width][input_channels]
 * output  int8 [batches][output_height][output_width][input_channels * depth_multiplier]
 *
 * Output channel c is the convolution of input channel c / depth_multiplier; taps outside the image
 * add nothing. No sum of products may leave 32 bits. */
#ifndef DEPTHWISE_CONV_2D_S8_H
#define DEPTHWISE_CONV_2D_S8_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t input_channels;
  int32_t output_height;
  int32_t output_width;
  int32_t depth_multiplier;
  int32_t kernel_height;
  int32_t kernel_width;
  int32_t stride_height;
  int32_t stride_width;
  int32_t dilation_height;
  int32_t dilation_width;
  int32_t padding_top;
  int32_t padding_left;
  int32_t input_zero_point;
  int32_t output_zero_point;
  int32_t output_low; /* activation range, within -128..127 */
  int32_t output_high;
  const int8_t *weights;      /* [kernel_height][kernel_width][output channels] */
  const int32_t *bias;        /* [output channels] */
  const int32_t *multipliers; /* [output channels], Q0.31 */
  const int8_t *shifts;       /* [output channels], -31..30, positive to the left */
} depthwise_conv_2d_s8_params;

void depthwise_conv_2d_s8(const depthwise_conv_2d_s8_params *params, const int8_t *input,
                          int8_t *output);

#endif
