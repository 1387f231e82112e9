#include "maximum_minimum_s8.h"

#include "broadcast.h"

void maximum_minimum_s8(const maximum_minimum_s8_params *params, const int8_t *input1,
                        const int8_t *input2, int8_t *output) {
  const maximum_minimum_s8_params p = *params;
  const broadcast_loops loops = {p.outer_loops, p.extents, p.input1_jumps, p.input2_jumps};
  int32_t indices[BROADCAST_MAX_OUTER_LOOPS] = {0};
  do {
    for (int32_t i = 0; i < p.inner; i++) {
      const int32_t a = *input1 ^ p.flip;
      const int32_t b = *input2 ^ p.flip;
      *output++ = (int8_t)((a > b ? a : b) ^ p.flip);
      input1 += p.input1_step;
      input2 += p.input2_step;
    }
  } while (broadcast_advance(&loops, indices, &input1, &input2));
}
