/* Convolution 3x3 with stride 1 on Armv7E-M by Winograd's F(2x2, 3x3) in exact integers: what
 * conv_2d_s8 computes, from weights transformed ahead of time (pipeline/aot/armv7em/winograd.py).
 * The kernels are rendered from templates/aot/armv7em/winograd_s8.c.j2.
 *
 * input   int8 [batches][input_height][input_width][input_channels]
 * output  int8 [batches][output_height][output_width][output_channels]
 * scratch 80 bytes for every input channel and 256 bytes, aligned to 4 */
#ifndef ARMV7EM_WINOGRAD_S8_H
#define ARMV7EM_WINOGRAD_S8_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t input_channels; /* a multiple of 4 */
  int32_t output_height;
  int32_t output_width;
  int32_t output_channels; /* even */
  int32_t padding_top;
  int32_t padding_left;
  int32_t input_zero_point;
  int32_t offset;        /* of the requantization */
  const int32_t *stream; /* weights and requantization, one pair of channels after the other */
} armv7em_winograd_s8_params;

#endif
