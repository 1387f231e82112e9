/* Two-dimensional convolution on Armv7E-M, ungrouped and undilated: what conv_2d_s8 computes, from
 * weights packed ahead of time (pipeline/aot/armv7em/cross_cancel.py). The kernels are rendered
 * from templates/aot/armv7em/conv_s8.c.j2.
 *
 * input   int8 [batches][input_height][input_width][input_channels]; up to 3 bytes behind it are
 *         read and do not matter
 * output  int8 [batches][output_height][output_width][output_channels]
 * scratch three windows, 24 bytes for every 4 inputs, and two rows of bytes where the channels are
 *         no multiple of 4; aligned to 4 */
#ifndef ARMV7EM_CONV_S8_H
#define ARMV7EM_CONV_S8_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t input_channels;
  int32_t output_height;
  int32_t output_width;
  int32_t output_channels; /* at least 2 */
  int32_t kernel_height;
  int32_t kernel_width;
  int32_t stride_height;
  int32_t stride_width;
  int32_t padding_top;
  int32_t padding_left;
  int32_t input_zero_point;
  int32_t row_words;     /* that a row of a window begins with */
  int32_t shift;         /* of the requantization */
  int32_t offset;        /* of the requantization */
  const int32_t *stream; /* weights and requantization, one pair of channels after the other */
} armv7em_conv_s8_params;

#endif
