#include "softmax_s8.h"

#include "softmax_division.h"

/* The table's entry for an element, 0 behind the table's end. */
static inline int32_t exponential(const softmax_s8_params *params, int32_t max, int32_t value) {
  return max - value < params->table_length ? params->table[max - value] : 0;
}

static void softmax_row(const softmax_s8_params *params, const int8_t *input, int8_t *output) {
  const int32_t depth = params->depth;
  int32_t max = input[0];
  for (int32_t i = 1; i < depth; i++) {
    max = input[i] > max ? input[i] : max;
  }
  uint32_t sum = 0;
  for (int32_t i = 0; i < depth; i++) {
    sum += softmax_term(exponential(params, max, input[i]));
  }
  const softmax_divisor divisor = softmax_divisor_of(sum);
  for (int32_t i = 0; i < depth; i++) {
    output[i] = softmax_quotient(exponential(params, max, input[i]), divisor);
  }
}

void softmax_s8(const softmax_s8_params *params, const int8_t *input, int8_t *output) {
  for (int32_t row = 0; row < params->rows; row++) {
    softmax_row(params, input, output);
    input += params->depth;
    output += params->depth;
  }
}
