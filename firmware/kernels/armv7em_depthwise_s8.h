/* Depthwise 3x3 or 5x5 convolution on Armv7E-M, undilated, stride 1 or 2 in width: what
 * depthwise_conv_2d_s8 computes. An input channel is unpacked into a plane of 16 bits with a border
 * of zero points, and its output channels are computed from the plane. The kernels are rendered
 * from templates/aot/armv7em/depthwise_s8.c.j2.
 *
 * input   int8 [batches][input_height][input_width][input_channels]
 * output  int8 [batches][output_height][output_width][input_channels * depth_multiplier]; may be the
 *         input if the depth multiplier is 1 and it is not larger than the input
 * scratch plane_rows * plane_pitch halfwords and 4 bytes, aligned to 4 */
#ifndef ARMV7EM_DEPTHWISE_S8_H
#define ARMV7EM_DEPTHWISE_S8_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t input_channels;
  int32_t output_height;
  int32_t output_width;
  int32_t depth_multiplier;
  int32_t stride_height;
  int32_t stride_width; /* 1 or 2 */
  int32_t padding_top;
  int32_t padding_left;
  int32_t input_zero_point;
  int32_t plane_rows;
  int32_t plane_pitch;   /* halfwords from row to row, even */
  int32_t offset;        /* of the requantization */
  int32_t transposed;    /* 1: all that is said of rows here and in the stream is of columns */
  const int32_t *stream; /* weights and requantization, one output channel after the other */
} armv7em_depthwise_s8_params;

#endif
