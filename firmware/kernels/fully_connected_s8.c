#include "fully_connected_s8.h"

#include "dot_product.h"
#include "requantize.h"

static inline int8_t finish(const fully_connected_s8_params *params, int32_t sum, int32_t n) {
  return requantize_s8(sum, params->multipliers[n], params->shifts[n], params->output_zero_point,
                       params->output_low, params->output_high);
}

void fully_connected_s8(const fully_connected_s8_params *params, const int8_t *input,
                        int8_t *output) {
  const int32_t size = params->input_size;
  for (int32_t row = 0; row < params->rows; row++) {
    const int8_t *weights = params->weights;
    int32_t n = 0;
    for (; n + DOT_PRODUCT_ROWS <= params->output_size; n += DOT_PRODUCT_ROWS) {
      int32_t sums[DOT_PRODUCT_ROWS];
      for (int32_t i = 0; i < DOT_PRODUCT_ROWS; i++) {
        sums[i] = params->bias[n + i];
      }
      dot_product_4(input, weights, size, size, 0, sums);
      for (int32_t i = 0; i < DOT_PRODUCT_ROWS; i++) {
        output[n + i] = finish(params, sums[i], n + i);
      }
      weights += DOT_PRODUCT_ROWS * size;
    }
    for (; n < params->output_size; n++) {
      output[n] = finish(params, params->bias[n] + dot_product(input, weights, size, 0), n);
      weights += size;
    }
    input += size;
    output += params->output_size;
  }
}
