#include "quantize_f32_s8.h"

#include "requantize.h"

/* Rounds half away from zero. Quotients beyond 256 saturate at any zero point; within, the
 * difference to the truncated integer is exact, which x + 0.5f is not. */
static inline int32_t round_quotient(float quotient) {
  if (quotient >= 256.0f) {
    return 256;
  }
  if (quotient <= -256.0f) {
    return -256;
  }
  if (quotient != quotient) {
    return 0;
  }
  const int32_t truncated = (int32_t)quotient;
  const float fraction = quotient - (float)truncated;
  return truncated + (fraction >= 0.5f) - (fraction <= -0.5f);
}

void quantize_f32_s8(const quantize_f32_s8_params *params, const float *input, int8_t *output) {
  for (int32_t i = 0; i < params->count; i++) {
    output[i] = clamp_s8(round_quotient(input[i] / params->scale) + params->zero_point, -128, 127);
  }
}
