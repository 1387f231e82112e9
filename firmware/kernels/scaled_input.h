/* The inputs of ADD and SUB on the scale they share, twice the larger of theirs. */
#ifndef SCALED_INPUT_H
#define SCALED_INPUT_H

#include "add_s8.h"
#include "requantize.h"

/* value: minus the zero point, -255..255; shift: -31..0. */
static inline int32_t scaled_input(int32_t value, int32_t multiplier, int32_t shift) {
  return requantize(value * (1 << ADD_S8_LEFT_SHIFT), multiplier, shift);
}

#endif
