#include "conv_2d_s8.h"

#include "dot_product.h"
#include "requantize.h"
#include "window.h"

/* The part of a window that is inside the image, as runs of bytes that are contiguous in the image
 * and in the kernel: whole rows of taps where these are neighbours in memory, else single taps. */
typedef struct {
  int32_t image_offset; /* of the first tap inside */
  int32_t kernel_offset;
  int32_t rows;
  int32_t runs; /* in each row */
  int32_t run_bytes;
} tap_runs;

static tap_runs clip_window(const conv_2d_s8_params *p, tap_range y, int32_t origin_y,
                            int32_t origin_x) {
  const tap_range x = taps_inside(origin_x, p->kernel_width, p->dilation_width, p->input_width);
  const int32_t first_y = origin_y + y.first * p->dilation_height;
  const int32_t first_x = origin_x + x.first * p->dilation_width;
  const int32_t taps = x.end - x.first;
  const int neighbours = p->dilation_width == 1 && p->kernel_channels == p->input_channels;
  return (tap_runs){
      .image_offset = (first_y * p->input_width + first_x) * p->input_channels,
      .kernel_offset = (y.first * p->kernel_width + x.first) * p->kernel_channels,
      .rows = taps > 0 ? y.end - y.first : 0,
      .runs = neighbours ? 1 : taps,
      .run_bytes = neighbours ? taps * p->kernel_channels : p->kernel_channels,
  };
}

/* Kept out of line: the inner loop needs 13 registers, which a Cortex-M has only for it alone. */
__attribute__((noinline)) static void add_run(const int8_t *x, const int8_t *weights,
                                              int32_t row_stride, int32_t count,
                                              int32_t zero_point, int32_t *sums) {
  dot_product_4(x, weights, row_stride, count, zero_point, sums);
}

/* Adds the products of a window for `channels` output channels: 1 or DOT_PRODUCT_ROWS. */
static inline void accumulate(const conv_2d_s8_params *p, const tap_runs *window,
                              const int8_t *image, const int8_t *weights, int32_t channels,
                              int32_t *sums) {
  const int32_t kernel_row = p->kernel_width * p->kernel_channels;
  const int32_t image_row = p->dilation_height * p->input_width * p->input_channels;
  const int32_t image_step = p->dilation_width * p->input_channels;
  for (int32_t row = 0; row < window->rows; row++) {
    const int8_t *image_line = image + window->image_offset + row * image_row;
    const int8_t *kernel_line = weights + window->kernel_offset + row * kernel_row;
    for (int32_t run = 0; run < window->runs; run++) {
      const int8_t *x = image_line + run * image_step;
      const int8_t *w = kernel_line + run * window->run_bytes;
      if (channels == 1) {
        sums[0] += dot_product(x, w, window->run_bytes, p->input_zero_point);
      } else {
        add_run(x, w, p->kernel_height * kernel_row, window->run_bytes, p->input_zero_point, sums);
      }
    }
  }
}

/* All output channels of one output pixel; `image` starts at the batch. */
static void convolve_pixel(const conv_2d_s8_params *p, const tap_runs *window, const int8_t *image,
                           int8_t *output) {
  const int32_t kernel_size = p->kernel_height * p->kernel_width * p->kernel_channels;
  const int32_t group_channels = p->output_channels / (p->input_channels / p->kernel_channels);
  int32_t group_end = group_channels;
  for (int32_t c = 0; c < p->output_channels;) {
    if (c == group_end) {
      group_end += group_channels;
      image += p->kernel_channels;
    }
    const int32_t channels = c + DOT_PRODUCT_ROWS <= group_end ? DOT_PRODUCT_ROWS : 1;
    int32_t sums[DOT_PRODUCT_ROWS];
    for (int32_t i = 0; i < channels; i++) {
      sums[i] = p->bias[c + i];
    }
    accumulate(p, window, image, p->weights + c * kernel_size, channels, sums);
    for (int32_t i = 0; i < channels; i++, c++) {
      output[c] = requantize_s8(sums[i], p->multipliers[c], p->shifts[c], p->output_zero_point,
                                p->output_low, p->output_high);
    }
  }
}

void conv_2d_s8(const conv_2d_s8_params *params, const int8_t *input, int8_t *output) {
  const int32_t image_size = params->input_height * params->input_width * params->input_channels;
  for (int32_t batch = 0; batch < params->batches; batch++) {
    for (int32_t out_y = 0; out_y < params->output_height; out_y++) {
      const int32_t y = out_y * params->stride_height - params->padding_top;
      const tap_range rows =
          taps_inside(y, params->kernel_height, params->dilation_height, params->input_height);
      for (int32_t out_x = 0; out_x < params->output_width; out_x++) {
        const int32_t x = out_x * params->stride_width - params->padding_left;
        const tap_runs window = clip_window(params, rows, y, x);
        convolve_pixel(params, &window, input, output);
        output += params->output_channels;
      }
    }
    input += image_size;
  }
}
