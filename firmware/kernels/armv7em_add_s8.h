/* Sum of two tensors on Armv7E-M: what add_s8 computes without broadcasting, as one linear form
 * that was compared with it for all pairs of inputs (pipeline/aot/armv7em/add.py). The kernels are
 * rendered from templates/aot/armv7em/add_s8.c.j2. */
#ifndef ARMV7EM_ADD_S8_H
#define ARMV7EM_ADD_S8_H

#include <stdint.h>

typedef struct {
  int32_t count; /* elements */
  int32_t factor1;
  int32_t factor2;
  int32_t offset;
} armv7em_add_s8_params;

/* The output may be one of the inputs. */

#endif
