#include "extremes_2d_s8.h"

#include "window.h"

void extremes_2d_s8(const extremes_2d_s8_params *params, const int8_t *input, int8_t *output) {
  const int32_t line = params->input_width;
  const int32_t kernel_width = params->kernel_width;
  const int32_t stride_width = params->stride_width;
  for (int32_t batch = 0; batch < params->batches; batch++) {
    for (int32_t out_y = 0; out_y < params->output_height; out_y++) {
      const int32_t origin_y = out_y * params->stride_height - params->padding_top;
      const tap_range y = taps_inside(origin_y, params->kernel_height, 1, params->input_height);
      const int8_t *const first = input + (origin_y + y.first) * line;
      const int8_t *const end = first + (y.end - y.first) * line;
      int32_t x = -params->padding_left;
      for (int32_t out_x = params->output_width; out_x > 0; out_x--) {
        const tap_range taps = taps_inside(x, kernel_width, 1, line);
        int32_t largest = INT8_MIN;
        int32_t smallest = INT8_MAX;
        for (const int8_t *row = first + x; row < end + x; row += line) {
          for (int32_t tap = taps.first; tap < taps.end; tap++) {
            const int32_t value = row[tap];
            largest = value > largest ? value : largest;
            smallest = value < smallest ? value : smallest;
          }
        }
        *output++ = (int8_t)largest;
        *output++ = (int8_t)smallest;
        x += stride_width;
      }
    }
    input += params->input_height * line;
  }
}
