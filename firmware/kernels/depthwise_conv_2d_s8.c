#include "depthwise_conv_2d_s8.h"

#include "requantize.h"
#include "window.h"

/* Neighbouring channels computed together where the depth multiplier is 1. */
enum { BLOCK = 4 };

/* The part of a window that is inside the image. */
typedef struct {
  int32_t image_offset; /* of the first tap inside, at channel 0 */
  int32_t kernel_offset;
  int32_t rows;
  int32_t taps; /* in each row */
} clipped_window;

/* Distances between neighbouring taps. */
typedef struct {
  int32_t image_row;
  int32_t image_tap;
  int32_t kernel_row;
  int32_t kernel_tap;
} tap_strides;

static int32_t output_channels(const depthwise_conv_2d_s8_params *p) {
  return p->input_channels * p->depth_multiplier;
}

static clipped_window clip_window(const depthwise_conv_2d_s8_params *p, tap_range y,
                                  int32_t origin_y, int32_t origin_x) {
  const tap_range x = taps_inside(origin_x, p->kernel_width, p->dilation_width, p->input_width);
  const int32_t first_y = origin_y + y.first * p->dilation_height;
  const int32_t first_x = origin_x + x.first * p->dilation_width;
  return (clipped_window){
      .image_offset = (first_y * p->input_width + first_x) * p->input_channels,
      .kernel_offset = (y.first * p->kernel_width + x.first) * output_channels(p),
      .rows = y.end - y.first,
      .taps = x.end - x.first,
  };
}

/* One channel: image and weights start at the channel. */
static inline int32_t sum_channel(const clipped_window *window, const tap_strides *strides,
                                  const int8_t *image, const int8_t *weights, int32_t zero_point) {
  int32_t sum = 0;
  for (int32_t row = 0; row < window->rows; row++) {
    int32_t x = window->image_offset + row * strides->image_row;
    int32_t w = window->kernel_offset + row * strides->kernel_row;
    for (int32_t tap = 0; tap < window->taps; tap++) {
      sum += (image[x] - zero_point) * weights[w];
      x += strides->image_tap;
      w += strides->kernel_tap;
    }
  }
  return sum;
}

/* BLOCK channels, each with its own weights. */
static inline void sum_block(const clipped_window *window, const tap_strides *strides,
                             const int8_t *image, const int8_t *weights, int32_t zero_point,
                             int32_t *sums) {
  int32_t sum0 = 0;
  int32_t sum1 = 0;
  int32_t sum2 = 0;
  int32_t sum3 = 0;
  for (int32_t row = 0; row < window->rows; row++) {
    int32_t x = window->image_offset + row * strides->image_row;
    int32_t w = window->kernel_offset + row * strides->kernel_row;
    for (int32_t tap = 0; tap < window->taps; tap++) {
      sum0 += (image[x] - zero_point) * weights[w];
      sum1 += (image[x + 1] - zero_point) * weights[w + 1];
      sum2 += (image[x + 2] - zero_point) * weights[w + 2];
      sum3 += (image[x + 3] - zero_point) * weights[w + 3];
      x += strides->image_tap;
      w += strides->kernel_tap;
    }
  }
  sums[0] = sum0;
  sums[1] = sum1;
  sums[2] = sum2;
  sums[3] = sum3;
}

/* All output channels of one output pixel; `image` starts at the batch. */
static void convolve_pixel(const depthwise_conv_2d_s8_params *p, const clipped_window *window,
                           const tap_strides *strides, const int8_t *image, int8_t *output) {
  const int32_t channels = output_channels(p);
  int32_t repeat = 0; /* output channels made of the current input channel */
  for (int32_t c = 0; c < channels;) {
    int32_t sums[BLOCK];
    int32_t count = 1;
    if (p->depth_multiplier == 1 && c + BLOCK <= channels) {
      count = BLOCK;
      sum_block(window, strides, image, p->weights + c, p->input_zero_point, sums);
    } else {
      sums[0] = sum_channel(window, strides, image, p->weights + c, p->input_zero_point);
    }
    for (int32_t i = 0; i < count; i++, c++) {
      output[c] = requantize_s8(p->bias[c] + sums[i], p->multipliers[c], p->shifts[c],
                                p->output_zero_point, p->output_low, p->output_high);
    }
    repeat += count;
    if (repeat >= p->depth_multiplier) {
      image += count;
      repeat = 0;
    }
  }
}

void depthwise_conv_2d_s8(const depthwise_conv_2d_s8_params *params, const int8_t *input,
                          int8_t *output) {
  const int32_t image_line = params->input_width * params->input_channels;
  const tap_strides strides = {
      .image_row = params->dilation_height * image_line,
      .image_tap = params->dilation_width * params->input_channels,
      .kernel_row = params->kernel_width * output_channels(params),
      .kernel_tap = output_channels(params),
  };
  for (int32_t batch = 0; batch < params->batches; batch++) {
    for (int32_t out_y = 0; out_y < params->output_height; out_y++) {
      const int32_t y = out_y * params->stride_height - params->padding_top;
      const tap_range rows =
          taps_inside(y, params->kernel_height, params->dilation_height, params->input_height);
      for (int32_t out_x = 0; out_x < params->output_width; out_x++) {
        const int32_t x = out_x * params->stride_width - params->padding_left;
        const clipped_window window = clip_window(params, rows, y, x);
        convolve_pixel(params, &window, &strides, input, output);
        output += output_channels(params);
      }
    }
    input += params->input_height * image_line;
  }
}
