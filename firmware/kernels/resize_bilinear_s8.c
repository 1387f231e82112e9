#include "resize_bilinear_s8.h"

#include "requantize.h"

enum { FRACTION_BITS = 10, ONE = 1 << FRACTION_BITS };

/* Where an output row or column lies between two of the input. */
typedef struct {
  int32_t lower;
  int32_t upper;
  int32_t fraction; /* of the upper one, in 1 / ONE; below 0 only where both are the first */
} neighbours;

static inline neighbours neighbours_at(int32_t scaled, int32_t size) {
  const int32_t lower = scaled < 0 ? 0 : scaled / ONE;
  const int32_t upper = (scaled + ONE - 1) / ONE;
  return (neighbours){lower, upper < size ? upper : size - 1, scaled - lower * ONE};
}

/* The channels of one output pixel from two rows of the input. */
static void interpolate(const int8_t *row0, const int8_t *row1, int32_t y1, neighbours x,
                        int32_t channels, int8_t *output) {
  const int32_t y0 = ONE - y1;
  const int32_t x0 = ONE - x.fraction;
  const int32_t left = x.lower * channels;
  const int32_t right = x.upper * channels;
  for (int32_t c = 0; c < channels; c++) {
    /* Below 2^30: the weights are within 1.5 ONE and sum to ONE along each axis. */
    const int32_t sum = (row0[left + c] * x0 + row0[right + c] * x.fraction) * y0 +
                        (row1[left + c] * x0 + row1[right + c] * x.fraction) * y1;
    output[c] = (int8_t)rounding_shift_right(sum, 2 * FRACTION_BITS);
  }
}

void resize_bilinear_s8(const resize_bilinear_s8_params *params, const int8_t *input,
                        int8_t *output) {
  const int32_t row_bytes = params->input_width * params->channels;
  for (int32_t batch = 0; batch < params->batches; batch++) {
    for (int32_t out_y = 0; out_y < params->output_height; out_y++) {
      const neighbours y =
          neighbours_at(out_y * params->row_scale + params->row_offset, params->input_height);
      for (int32_t out_x = 0; out_x < params->output_width; out_x++) {
        const neighbours x = neighbours_at(out_x * params->column_scale + params->column_offset,
                                           params->input_width);
        interpolate(input + y.lower * row_bytes, input + y.upper * row_bytes, y.fraction, x,
                    params->channels, output);
        output += params->channels;
      }
    }
    input += params->input_height * row_bytes;
  }
}
