/* Largest and smallest value in a window of an image of one channel, int8: what a rising and a
 * falling function of every pixel have as their maximum there.
 *
 * input   int8 [batches][input_height][input_width]
 * output  int8 [batches][output_height][output_width][2], the largest, then the smallest
 *
 * Elements outside the image do not count. Every window contains at least one inside. */
#ifndef EXTREMES_2D_S8_H
#define EXTREMES_2D_S8_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t output_height;
  int32_t output_width;
  int32_t kernel_height;
  int32_t kernel_width;
  int32_t stride_height;
  int32_t stride_width;
  int32_t padding_top;
  int32_t padding_left;
} extremes_2d_s8_params;

void extremes_2d_s8(const extremes_2d_s8_params *params, const int8_t *input, int8_t *output);

#endif
