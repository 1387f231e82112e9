/* Walks two inputs of an elementwise kernel in step with its output: a flat inner loop within outer
 * loops. The generator merges neighbouring axes that broadcast alike, so that inputs of one shape
 * are a single inner loop. */
#ifndef BROADCAST_H
#define BROADCAST_H

#include <stdbool.h>
#include <stdint.h>

enum { BROADCAST_MAX_OUTER_LOOPS = 5 }; /* TFLM takes 6 axes; the last one is the inner loop */

typedef struct {
  int32_t count;          /* outer loops, 0..BROADCAST_MAX_OUTER_LOOPS, the innermost first */
  const int32_t *extents; /* of each loop, at least 1 */
  const int32_t *jumps1;  /* elements to add to an input's pointer, which stands behind the inner */
  const int32_t *jumps2;  /* loop, when the loop advances and all loops within start again */
} broadcast_loops;

/* Moves both pointers to the next inner loop; false after the last. `indices` has
 * BROADCAST_MAX_OUTER_LOOPS elements, zero at the start. */
static inline bool broadcast_advance(const broadcast_loops *loops, int32_t *indices,
                                     const int8_t **input1, const int8_t **input2) {
  for (int32_t loop = 0; loop < loops->count; loop++) {
    if (++indices[loop] < loops->extents[loop]) {
      *input1 += loops->jumps1[loop];
      *input2 += loops->jumps2[loop];
      return true;
    }
    indices[loop] = 0;
  }
  return false;
}

#endif
