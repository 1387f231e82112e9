#include "transpose_conv_s8.h"

#include "dot_product.h"
#include "requantize.h"

/* The taps along one axis that reach an output element: `tap`, `tap + stride`, ... from the input
 * elements `source`, `source - 1`, ... */
typedef struct {
  int32_t tap;
  int32_t source;
  int32_t count;
} tap_sequence;

/* position: of the output element, plus the padding. */
static inline tap_sequence taps_reaching(int32_t position, int32_t taps, int32_t stride,
                                         int32_t input_size) {
  tap_sequence found = {position % stride, position / stride, 0};
  const int32_t beyond = found.source - (input_size - 1); /* sources behind the image */
  const int32_t skipped = beyond > 0 ? beyond : 0;
  const int32_t within = found.tap < taps ? (taps - 1 - found.tap) / stride + 1 : 0;
  const int32_t available = within < found.source + 1 ? within : found.source + 1;
  if (available > skipped) {
    found.count = available - skipped;
    found.tap += skipped * stride;
    found.source -= skipped;
  }
  return found;
}

/* Adds the products of all taps for `channels` output channels: 1 or DOT_PRODUCT_ROWS. */
static inline void accumulate(const transpose_conv_s8_params *p, tap_sequence y, tap_sequence x,
                              const int8_t *image, const int8_t *weights, int32_t channels,
                              int32_t *sums) {
  const int32_t depth = p->input_channels;
  const int32_t row_stride = p->kernel_height * p->kernel_width * depth;
  for (int32_t i = 0; i < y.count; i++) {
    const int8_t *const line = image + (y.source - i) * p->input_width * depth;
    const int8_t *const kernel_line =
        weights + (y.tap + i * p->stride_height) * p->kernel_width * depth;
    for (int32_t j = 0; j < x.count; j++) {
      const int8_t *const pixel = line + (x.source - j) * depth;
      const int8_t *const tap = kernel_line + (x.tap + j * p->stride_width) * depth;
      if (channels == 1) {
        sums[0] += dot_product(pixel, tap, depth, p->input_zero_point);
      } else {
        dot_product_4(pixel, tap, row_stride, depth, p->input_zero_point, sums);
      }
    }
  }
}

/* All output channels of one output pixel; `image` starts at the batch. */
static void gather_pixel(const transpose_conv_s8_params *p, tap_sequence y, tap_sequence x,
                         const int8_t *image, int8_t *output) {
  const int32_t kernel_size = p->kernel_height * p->kernel_width * p->input_channels;
  for (int32_t c = 0; c < p->output_channels;) {
    const int32_t channels = c + DOT_PRODUCT_ROWS <= p->output_channels ? DOT_PRODUCT_ROWS : 1;
    int32_t sums[DOT_PRODUCT_ROWS];
    for (int32_t i = 0; i < channels; i++) {
      sums[i] = p->bias[c + i];
    }
    accumulate(p, y, x, image, p->weights + c * kernel_size, channels, sums);
    for (int32_t i = 0; i < channels; i++, c++) {
      output[c] = requantize_s8(sums[i], p->multipliers[c], p->shifts[c], p->output_zero_point,
                                p->output_low, p->output_high);
    }
  }
}

void transpose_conv_s8(const transpose_conv_s8_params *params, const int8_t *input,
                       int8_t *output) {
  for (int32_t batch = 0; batch < params->batches; batch++) {
    for (int32_t out_y = 0; out_y < params->output_height; out_y++) {
      const tap_sequence y = taps_reaching(out_y + params->padding_top, params->kernel_height,
                                           params->stride_height, params->input_height);
      for (int32_t out_x = 0; out_x < params->output_width; out_x++) {
        const tap_sequence x = taps_reaching(out_x + params->padding_left, params->kernel_width,
                                             params->stride_width, params->input_width);
        gather_pixel(params, y, x, input, output);
        output += params->output_channels;
      }
    }
    input += params->input_height * params->input_width * params->input_channels;
  }
}
