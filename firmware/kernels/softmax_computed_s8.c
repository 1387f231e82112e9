#include "softmax_computed_s8.h"

#include "softmax_division.h"

/* Not inlined: it is called from many places of which none is in a hurry. */
static __attribute__((noinline)) int32_t multiply(int32_t x, int32_t y) {
  return doubling_high_multiply(x, y);
}

/* e^x for -1/4 <= x < 0, Q0.31: four terms of Taylor's series about -1/8, as gemmlowp computes it. */
static int32_t exp_of_last_quarter(int32_t x) {
  const int32_t exp_of_minus_eighth = INT32_C(1895147668);
  const int32_t third = INT32_C(715827883);
  const int32_t y = x + (INT32_C(1) << 28);
  const int32_t y2 = multiply(y, y);
  const int32_t y3 = multiply(y2, y);
  const int32_t y4 = multiply(y2, y2);
  const int32_t tail = multiply(rounding_shift_right(y4, 2) + y3, third) + y2;
  return exp_of_minus_eighth + multiply(exp_of_minus_eighth, y + rounding_shift_right(tail, 1));
}

/* e^-x for x >= 0 in Q5.26, Q0.31. */
static int32_t exp_of_minus(int32_t x) {
  /* e^-1/4, e^-1/2, ..., e^-16 */
  static const int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308,
                                   39332535,   720401,     242};
  enum { QUARTER_BITS = 24, QUARTER = 1 << QUARTER_BITS };
  if (x == 0) {
    return INT32_MAX;
  }
  /* -x = in_last_quarter - a whole number of quarters */
  const int32_t in_last_quarter = (-x & (QUARTER - 1)) - QUARTER;
  const int32_t quarters = (in_last_quarter + x) >> QUARTER_BITS;
  int32_t result = exp_of_last_quarter(in_last_quarter * 32);
  for (int i = 0; i < 7; i++) {
    if ((quarters >> i & 1) != 0) {
      result = multiply(result, powers[i]);
    }
  }
  return result;
}

static void softmax_row(const softmax_computed_s8_params *params, const int8_t *input,
                        int8_t *output, int32_t *exponentials) {
  const int32_t depth = params->depth;
  int32_t max = input[0];
  for (int32_t i = 1; i < depth; i++) {
    max = input[i] > max ? input[i] : max;
  }
  uint32_t sum = 0;
  for (int32_t i = 0; i < depth; i++) {
    const int32_t distance = max - input[i];
    exponentials[i] =
        distance > params->furthest
            ? 0
            : exp_of_minus(-requantize(-distance, params->multiplier, params->shift));
    sum += softmax_term(exponentials[i]);
  }
  const softmax_divisor divisor = softmax_divisor_of(sum);
  for (int32_t i = 0; i < depth; i++) {
    output[i] = softmax_quotient(exponentials[i], divisor);
  }
}

void softmax_computed_s8(const softmax_computed_s8_params *params, const int8_t *input,
                         int8_t *output, void *scratch) {
  for (int32_t row = 0; row < params->rows; row++) {
    softmax_row(params, input, output, scratch);
    input += params->depth;
    output += params->depth;
  }
}
