/* Moves bytes to a lower address, where they may overlap. */
#ifndef MOVE_BYTES_H
#define MOVE_BYTES_H

#include <stdint.h>

typedef struct {
  int32_t count;
} move_bytes_params;

/* The output may begin anywhere before the input. */
void move_bytes(const move_bytes_params *params, const int8_t *input, int8_t *output);

#endif
