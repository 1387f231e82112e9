/* Any function of one int8 as a table: activations, and requantization from int8 to int8. */
#ifndef LOOKUP_S8_H
#define LOOKUP_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t count;       /* elements */
  const int8_t *table; /* 256 results, indexed by the input's byte: 0..127, then -128..-1 */
} lookup_s8_params;

/* The output may be the input. */
void lookup_s8(const lookup_s8_params *params, const int8_t *input, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
