/* float32 to int8, TFLite's QUANTIZE at a model's input. */
#ifndef QUANTIZE_F32_S8_H
#define QUANTIZE_F32_S8_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t count; /* elements */
  float scale;   /* of the output, above 0 */
  int32_t zero_point;
} quantize_f32_s8_params;

/* round(x / scale) + zero_point, the quotient in float32 and rounded half away from zero,
 * saturated. TFLM's result is undefined where |x / scale| is 2^31 or more, or NaN: here the former
 * saturates as well, and NaN gives the zero point. */
void quantize_f32_s8(const quantize_f32_s8_params *params, const float *input, int8_t *output);

#ifdef __cplusplus
}
#endif

#endif
