/* Copies elements of the input, picked by a stride along every axis of the output: TFLite's
 * TRANSPOSE and STRIDED_SLICE, and RESIZE_NEAREST_NEIGHBOR by whole factors, for int8. */
#ifndef STRIDED_COPY_S8_H
#define STRIDED_COPY_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { STRIDED_COPY_S8_MAX_OUTER_LOOPS = 5 };

/* An inner loop within outer loops, the innermost first; the output is written in order. */
typedef struct {
  int32_t offset;         /* of the first element in the input */
  int32_t inner;          /* elements of the inner loop, at least 1 */
  int32_t inner_step;     /* distance of two of them in the input; negative where it goes back */
  int32_t outer_loops;    /* 0..STRIDED_COPY_S8_MAX_OUTER_LOOPS; no arrays where this is 0 */
  const int32_t *extents; /* of each outer loop, at least 1 */
  const int32_t *jumps;   /* from behind the inner loop to its next start in the input, when the
                             loop advances and all loops within start again */
} strided_copy_s8_params;

void strided_copy_s8(const strided_copy_s8_params *params, const int8_t *input, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
