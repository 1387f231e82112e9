/* Picks a pixel of the input for every pixel of the output, TFLite's RESIZE_NEAREST_NEIGHBOR for
 * int8, any factor.
 *
 * input   int8 [batches][input_height][input_width][channels]
 * output  int8 [batches][output_height][output_width][channels], quantized as the input */
#ifndef RESIZE_NEAREST_NEIGHBOR_S8_H
#define RESIZE_NEAREST_NEIGHBOR_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t batches;
  int32_t input_height;
  int32_t input_width;
  int32_t channels;
  int32_t output_height;
  int32_t output_width;
  const uint16_t *rows;    /* [output_height], rows of the input */
  const uint16_t *columns; /* [output_width], columns of the input */
} resize_nearest_neighbor_s8_params;

void resize_nearest_neighbor_s8(const resize_nearest_neighbor_s8_params *params,
                                const int8_t *input, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
