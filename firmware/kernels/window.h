/* A window that slides over an image: which of its taps are inside. */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdint.h>

/* Taps inside the image along one axis: first <= tap < end; first == end where there is none. */
typedef struct {
  int32_t first;
  int32_t end;
} tap_range;

/* origin: coordinate of tap 0, negative before the image and below `size`; size: of the image. */
static inline tap_range taps_inside(int32_t origin, int32_t taps, int32_t dilation, int32_t size) {
  tap_range range = {0, taps};
  if (origin < 0) {
    range.first = (dilation - 1 - origin) / dilation;
  }
  if (origin + (taps - 1) * dilation >= size) {
    range.end = (size - origin + dilation - 1) / dilation;
  }
  if (range.end < range.first) {
    range.end = range.first;
  }
  return range;
}

#endif
