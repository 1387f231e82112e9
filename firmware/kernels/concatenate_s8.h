/* Copies one input of TFLite's CONCATENATION to its place in the output. */
#ifndef CONCATENATE_S8_H
#define CONCATENATE_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t blocks;        /* product of the axes before the concatenated one */
  int32_t block_bytes;   /* contiguous bytes of the input per block */
  int32_t output_stride; /* distance of two blocks in the output, at least block_bytes */
  int32_t output_offset; /* bytes before the first block in the output */
} concatenate_s8_params;

/* Writes blocks * block_bytes of the output and leaves the rest as it is. */
void concatenate_s8(const concatenate_s8_params *params, const int8_t *input, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
