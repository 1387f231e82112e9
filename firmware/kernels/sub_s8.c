#include "add_s8.h"

#include "broadcast.h"
#include "requantize.h"
#include "scaled_input.h"

void sub_s8(const add_s8_params *params, const int8_t *input1, const int8_t *input2,
            int8_t *output) {
  const add_s8_params p = *params;
  const broadcast_loops loops = {p.outer_loops, p.extents, p.input1_jumps, p.input2_jumps};
  int32_t indices[BROADCAST_MAX_OUTER_LOOPS] = {0};
  do {
    for (int32_t i = 0; i < p.inner; i++) {
      const int32_t difference =
          scaled_input(*input1 - p.input1_zero_point, p.input1_multiplier, p.input1_shift) -
          scaled_input(*input2 - p.input2_zero_point, p.input2_multiplier, p.input2_shift);
      *output++ = requantize_s8(difference, p.output_multiplier, p.output_shift,
                                p.output_zero_point, p.activation_min, p.activation_max);
      input1 += p.input1_step;
      input2 += p.input2_step;
    }
  } while (broadcast_advance(&loops, indices, &input1, &input2));
}
