#include "max_pool_2d_s8.h"

#include "requantize.h"
#include "window.h"

/* Largest of rows x taps elements of one channel; taps are `step` apart, rows `row_step`. */
static int32_t largest(const int8_t *x, int32_t rows, int32_t taps, int32_t row_step,
                       int32_t step) {
  int32_t result = INT8_MIN;
  for (int32_t row = 0; row < rows; row++) {
    for (int32_t tap = 0; tap < taps; tap++) {
      const int32_t value = x[row * row_step + tap * step];
      result = value > result ? value : result;
    }
  }
  return result;
}

void max_pool_2d_s8(const max_pool_2d_s8_params *params, const int8_t *input, int8_t *output) {
  const int32_t channels = params->channels;
  const int32_t line = params->input_width * channels;
  for (int32_t batch = 0; batch < params->batches; batch++) {
    for (int32_t out_y = 0; out_y < params->output_height; out_y++) {
      const int32_t origin_y = out_y * params->stride_height - params->padding_top;
      const tap_range y = taps_inside(origin_y, params->kernel_height, 1, params->input_height);
      for (int32_t out_x = 0; out_x < params->output_width; out_x++) {
        const int32_t origin_x = out_x * params->stride_width - params->padding_left;
        const tap_range x = taps_inside(origin_x, params->kernel_width, 1, params->input_width);
        const int8_t *first = input + (origin_y + y.first) * line + (origin_x + x.first) * channels;
        for (int32_t c = 0; c < channels; c++) {
          *output++ = clamp_s8(
              largest(first + c, y.end - y.first, x.end - x.first, line, channels),
              params->output_low, params->output_high);
        }
      }
    }
    input += params->input_height * line;
  }
}
