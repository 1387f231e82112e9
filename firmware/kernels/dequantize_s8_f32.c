#include "dequantize_s8_f32.h"

void dequantize_s8_f32(const dequantize_s8_f32_params *params, const int8_t *input, float *output) {
  for (int32_t i = 0; i < params->count; i++) {
    output[i] = params->scale * (float)(input[i] - params->zero_point);
  }
}
