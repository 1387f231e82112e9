/* Two-dimensional convolution for cores without SIMD, ungrouped and undilated: what conv_2d_s8
 * computes, from weights laid out ahead of time (pipeline/aot/scalar/matrix.py). Rendered from
 * templates/aot/scalar/conv_s8.c.j2.
 *
 * input   int8 [batches][input_height][input_width][input_channels]
 * output  int8 [batches][output_height][output_width][output_channels]
 * scratch windows of input, copied so that each is contiguous */
#ifndef SCALAR_CONV_S8_H
#define SCALAR_CONV_S8_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t input_channels;
  int32_t output_height;
  int32_t output_width;
  int32_t output_channels; /* at least a block */
  int32_t kernel_height;
  int32_t kernel_width;
  int32_t stride_height;
  int32_t stride_width;
  int32_t padding_top;
  int32_t padding_left;
  int32_t input_zero_point;
  int32_t output_low; /* activation range, within -128..127 */
  int32_t output_high;
  int32_t windows; /* in scratch, a multiple of the tile's pixels */
  const void *weights;     /* int8, or pairs in int32,
                            * [blocks][kernel_height][kernel_width][input_channels][channels] */
  const int32_t *channels; /* [blocks][channels] of the kernel's scalar_channel */
} scalar_conv_s8_params;

#endif
