/* Padding with a constant on any axes, TFLite's PAD and PADV2 for int8. */
#ifndef PAD_S8_H
#define PAD_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PAD_S8_MAX_OUTER_LOOPS = 4 }; /* TFLM takes 5 axes; the last one is the row */

/* The output is a sequence of rows of the input with runs of the pad value between them. */
typedef struct {
  int32_t row_bytes;      /* contiguous bytes of the input between two runs */
  int32_t leading;        /* elements to fill before the first row */
  int32_t trailing;       /* and behind the last */
  int32_t value;          /* to fill with, -128..127 */
  int32_t outer_loops;    /* over rows, 0..PAD_S8_MAX_OUTER_LOOPS, the innermost first */
  const int32_t *extents; /* of each loop in the input; may be null where there is none */
  const int32_t *gaps;    /* elements to fill when the loop advances and those within restart */
} pad_s8_params;

void pad_s8(const pad_s8_params *params, const int8_t *input, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
