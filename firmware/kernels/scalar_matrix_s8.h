/* Rows times a weight matrix for cores without SIMD: what fully_connected_s8 and a pointwise
 * convolution compute, from weights laid out ahead of time (pipeline/aot/scalar/matrix.py). Rendered
 * from templates/aot/scalar/matrix_s8.c.j2.
 *
 * input   int8 [rows][input_size]
 * output  int8 [rows][output_size]
 *
 * Output channels come in blocks; the last block ends with the last channel, so that it may repeat
 * channels of the one before. */
#ifndef SCALAR_MATRIX_S8_H
#define SCALAR_MATRIX_S8_H

#include <stdint.h>

typedef struct {
  int32_t rows;
  int32_t input_size;
  int32_t output_size; /* at least a block */
  int32_t output_low;  /* activation range, within -128..127 */
  int32_t output_high;
  const void *weights;     /* int8, or pairs of channels in int32,
                            * [blocks][input_size][channels of a block] */
  const int32_t *channels; /* [blocks][channels of a block] of the kernel's scalar_channel */
} scalar_matrix_s8_params;

#endif
