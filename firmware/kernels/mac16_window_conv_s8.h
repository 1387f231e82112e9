/* Two-dimensional convolution, ungrouped and undilated, for Xtensa cores with MAC16, where the input
 * channels are no multiple of 4: what conv_2d_s8 computes, and fully_connected_s8 as pixels in one
 * row, from weights packed ahead of time (pipeline/aot/mac16/matrix.py). Rendered from
 * templates/aot/mac16/window_conv_s8.c.j2.
 *
 * input   int8 [batches][input_height][input_width][input_channels]
 * output  int8 [batches][output_height][output_width][output_channels]; may follow the input through
 *         the same memory, since windows are copied row by row before their outputs are written
 * scratch a word, windows of input as halves, one channel's weights as halves */
#ifndef MAC16_WINDOW_CONV_S8_H
#define MAC16_WINDOW_CONV_S8_H

#include <stdint.h>

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
  int32_t output_low; /* activation range, within -128..127 */
  int32_t output_high;
  int32_t quads;           /* four inputs each, of a window */
  int32_t windows;         /* in scratch */
  const int32_t *weights;  /* [output_channels][quads], four in a word */
  const int32_t *channels; /* [output_channels] of the kernel's scalar_channel */
} mac16_window_conv_s8_params;

#endif
