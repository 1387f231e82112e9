/* int8 to float32, TFLite's DEQUANTIZE at a model's output. */
#ifndef DEQUANTIZE_S8_F32_H
#define DEQUANTIZE_S8_F32_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int32_t count; /* elements */
  float scale;   /* of the input, above 0 */
  int32_t zero_point;
} dequantize_s8_f32_params;

/* scale * (q - zero_point), rounded once to float32. */
void dequantize_s8_f32(const dequantize_s8_f32_params *params, const int8_t *input, float *output);

#ifdef __cplusplus
}
#endif

#endif
