/* Interpolates between the four nearest pixels, TFLite's RESIZE_BILINEAR for int8.
 *
 * input   int8 [batches][input_height][input_width][channels]
 * output  int8 [batches][output_height][output_width][channels], quantized as the input
 *
 * Output row y lies at (y * row_scale + row_offset) / 2^10 of the input, a column likewise. The
 * scaled position fits 31 bits, is above -2^10, and that of the last row or column below the size
 * of the input. */
#ifndef RESIZE_BILINEAR_S8_H
#define RESIZE_BILINEAR_S8_H

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
  int32_t row_scale;
  int32_t row_offset;
  int32_t column_scale;
  int32_t column_offset;
} resize_bilinear_s8_params;

void resize_bilinear_s8(const resize_bilinear_s8_params *params, const int8_t *input,
                        int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
