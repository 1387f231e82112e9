/* Rows times a weight matrix on Armv7E-M: what fully_connected_s8 and a pointwise convolution
 * compute, from weights packed ahead of time (pipeline/aot/armv7em/cross_cancel.py). The kernels
 * are rendered from templates/aot/armv7em/matrix_s8.c.j2.
 *
 * input   int8 [rows][input_size]; up to 3 bytes behind it are read and do not matter
 * output  int8 [rows][output_size]
 * scratch 24 bytes (8 where rows is 1) for every 4 inputs, aligned to 4 */
#ifndef ARMV7EM_MATRIX_S8_H
#define ARMV7EM_MATRIX_S8_H

#include <stdint.h>

typedef struct {
  int32_t rows;
  int32_t input_size;
  int32_t output_size;   /* at least 2 */
  int32_t shift;         /* of the requantization */
  int32_t offset;        /* of the requantization */
  const int32_t *stream; /* weights and requantization, one pair of channels after the other */
} armv7em_matrix_s8_params;

#endif
