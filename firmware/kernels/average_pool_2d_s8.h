/* Mean of each channel in a window, int8, rounded half away from zero.
 *
 * input   int8 [batches][input_height][input_width][channels]
 * output  int8 [batches][output_height][output_width][channels], quantized as the input
 *
 * Elements outside the image do not count. Every window contains 1 to 2^23 elements inside. */
#ifndef AVERAGE_POOL_2D_S8_H
#define AVERAGE_POOL_2D_S8_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t channels;
  int32_t output_height;
  int32_t output_width;
  int32_t kernel_height;
  int32_t kernel_width;
  int32_t stride_height;
  int32_t stride_width;
  int32_t padding_top;
  int32_t padding_left;
  int32_t output_low; /* activation range, within -128..127 */
  int32_t output_high;
} average_pool_2d_s8_params;

void average_pool_2d_s8(const average_pool_2d_s8_params *params, const int8_t *input,
                        int8_t *output);

#endif
