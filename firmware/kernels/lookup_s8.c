#include "lookup_s8.h"

void lookup_s8(const lookup_s8_params *params, const int8_t *input, int8_t *output) {
  const int8_t *const table = params->table;
  const int32_t count = params->count;
  for (int32_t i = 0; i < count; i++) {
    output[i] = table[(uint8_t)input[i]];
  }
}
