/* Dilated convolution on Armv7E-M, ungrouped, input channels in fours: as armv7em_conv_s8.h, with
 * taps apart.
 *
 * input   int8 [batches][input_height][input_width][input_channels]; up to 3 bytes behind it are
 *         read and do not matter
 * output  int8 [batches][output_height][output_width][output_channels]
 * scratch three windows, 24 bytes for every 4 inputs; aligned to 4 */
#ifndef ARMV7EM_DILATED_CONV_S8_H
#define ARMV7EM_DILATED_CONV_S8_H

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
  int32_t dilation_height;
  int32_t dilation_width;
  int32_t padding_top;
  int32_t padding_left;
  int32_t input_zero_point;
  int32_t row_words;     /* that a row of a window begins with */
  int32_t shift;         /* of the requantization */
  int32_t offset;        /* of the requantization */
  const int32_t *stream; /* weights and requantization, one pair of channels after the other */
} armv7em_dilated_conv_s8_params;

#endif
