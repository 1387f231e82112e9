/* Sum of two tensors: what add_s8 computes without broadcasting, as one linear form that was compared
 * with it for all pairs of inputs (pipeline/aot/armv7em/add.py). Rendered from
 * templates/aot/scalar/add_s8.c.j2.
 *
 * input1, input2, output  int8 [count]; the output may be one of the inputs */
#ifndef SCALAR_ADD_S8_H
#define SCALAR_ADD_S8_H

#include <stdint.h>

typedef struct {
  int32_t count; /* elements */
  int32_t factor1;
  int32_t factor2;
  int32_t offset;
} scalar_add_s8_params;

#endif
