/* Sums of four neighbouring channels over a window, two to a word. For Armv7E-M alone. */
#ifndef ARMV7EM_SUM_OF_4_H
#define ARMV7EM_SUM_OF_4_H

#include <stdint.h>
#include <string.h>

/* rows x taps elements, at most 255 so that sums fit 16 bits and at least 1; taps are `step`
 * apart, rows `line`. */
static inline void sum_of_4(const int8_t *x, int32_t rows, int32_t taps, int32_t line,
                            int32_t step, int32_t *sums) {
  uint32_t even = 0;
  uint32_t odd = 0;
  do {
    const int8_t *tap = x;
    int32_t left = taps;
    do {
      uint32_t word;
      memcpy(&word, tap, sizeof word);
      tap += step;
      __asm__("sxtab16 %0, %0, %2\n\tsxtab16 %1, %1, %2, ror #8"
              : "+&r"(even), "+&r"(odd)
              : "r"(word));
    } while (--left != 0);
    x += line;
  } while (--rows != 0);
  sums[0] = (int16_t)even;
  sums[1] = (int16_t)odd;
  sums[2] = (int32_t)even >> 16;
  sums[3] = (int32_t)odd >> 16;
}

#endif
