#include "resize_nearest_neighbor_s8.h"

#include <string.h>

void resize_nearest_neighbor_s8(const resize_nearest_neighbor_s8_params *params,
                                const int8_t *input, int8_t *output) {
  const int32_t channels = params->channels;
  const int32_t row_bytes = params->input_width * channels;
  for (int32_t batch = 0; batch < params->batches; batch++) {
    for (int32_t y = 0; y < params->output_height; y++) {
      const int8_t *const row = input + params->rows[y] * row_bytes;
      for (int32_t x = 0; x < params->output_width; x++) {
        memcpy(output, row + params->columns[x] * channels, (size_t)channels);
        output += channels;
      }
    }
    input += params->input_height * row_bytes;
  }
}
