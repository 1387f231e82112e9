#include "average_pool_2d_s8.h"

#include "requantize.h"
#include "window.h"

/* Sum of rows x taps elements of one channel; taps are `step` elements apart, rows `row_step`. */
static int32_t sum(const int8_t *x, int32_t rows, int32_t taps, int32_t row_step, int32_t step) {
  int32_t result = 0;
  for (int32_t row = 0; row < rows; row++) {
    for (int32_t tap = 0; tap < taps; tap++) {
      result += x[row * row_step + tap * step];
    }
  }
  return result;
}

static int32_t divide_rounding_half_away(int32_t value, int32_t count) {
  const int32_t half = count / 2;
  return (value > 0 ? value + half : value - half) / count;
}

void average_pool_2d_s8(const average_pool_2d_s8_params *params, const int8_t *input,
                        int8_t *output) {
  const int32_t channels = params->channels;
  const int32_t line = params->input_width * channels;
  for (int32_t batch = 0; batch < params->batches; batch++) {
    for (int32_t out_y = 0; out_y < params->output_height; out_y++) {
      const int32_t origin_y = out_y * params->stride_height - params->padding_top;
      const tap_range y = taps_inside(origin_y, params->kernel_height, 1, params->input_height);
      const int32_t rows = y.end - y.first;
      for (int32_t out_x = 0; out_x < params->output_width; out_x++) {
        const int32_t origin_x = out_x * params->stride_width - params->padding_left;
        const tap_range x = taps_inside(origin_x, params->kernel_width, 1, params->input_width);
        const int32_t taps = x.end - x.first;
        const int8_t *first = input + (origin_y + y.first) * line + (origin_x + x.first) * channels;
        for (int32_t c = 0; c < channels; c++) {
          const int32_t mean = divide_rounding_half_away(
              sum(first + c, rows, taps, line, channels), rows * taps);
          *output++ = clamp_s8(mean, params->output_low, params->output_high);
        }
      }
    }
    input += params->input_height * line;
  }
}
