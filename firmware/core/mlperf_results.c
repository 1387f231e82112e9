#pragma GCC optimize("Os") /* see mlperf.c */

#include "mlperf_results.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "model_info.h"
#include "runtime.h"
#include "text.h"

typedef enum {
  RESULT_INT8,
  RESULT_UINT8,
  RESULT_INT16,
  RESULT_INT32,
  RESULT_INT64,
  RESULT_FLOAT32,
} result_type;

/* real = (q - zero_point) * mantissa * 2^exponent; of RESULT_FLOAT32 none of the three is used. */
typedef struct {
  result_type type;
  int32_t zero_point;
  uint32_t mantissa; /* 24 bits; 20 of a type of 32 bits or more */
  int32_t exponent;
} result_format;

static const result_format formats[] = MODEL_OUTPUTS;

static const char not_a_number[] = "nan";

static const uint8_t element_bytes[] = {1, 1, 2, 4, 8, 4};

static int32_t element(result_type type, const uint8_t *bytes) {
  int16_t i16;
  int32_t i32;
  switch (type) {
    case RESULT_INT8:
      return (int8_t)*bytes;
    case RESULT_UINT8:
      return *bytes;
    case RESULT_INT16:
      memcpy(&i16, bytes, sizeof i16);
      return i16;
    default:
      memcpy(&i32, bytes, sizeof i32);
      return i32;
  }
}

/* product * 2^exponent to the nearest integer, ties to the even one, as printf rounds; UINT64_MAX
 * for what is larger. */
static uint64_t scaled(uint64_t product, int32_t exponent) {
  bool half = false;
  bool rest = false;
  for (; exponent > 0; exponent--) {
    if (product >> 63 != 0) {
      return UINT64_MAX;
    }
    product <<= 1;
  }
  for (; exponent < 0; exponent++) {
    rest = rest || half;
    half = (product & 1) != 0;
    product >>= 1;
  }
  return product + (half && (rest || (product & 1) != 0));
}

static void write_thousandths(bool negative, uint64_t thousandths) {
  text_string(negative ? "-" : "");
  if (thousandths > UINT32_MAX) {
    text_string("inf");
    return;
  }
  text_decimal((uint32_t)thousandths / 1000, 1);
  text_string(".");
  text_decimal((uint32_t)thousandths % 1000, 3);
}

static void write_integer(const result_format *format, const uint8_t *bytes) {
  const int32_t value = element(format->type, bytes);
  const bool negative = value < format->zero_point;
  const uint32_t difference = (uint32_t)value - (uint32_t)format->zero_point;
  const uint32_t magnitude = negative ? 0u - difference : difference;
  write_thousandths(negative,
                    scaled((uint64_t)magnitude * format->mantissa * 1000, format->exponent));
}

static void write_float(const uint8_t *bytes) {
  uint32_t bits;
  memcpy(&bits, bytes, sizeof bits);
  const bool negative = bits >> 31 != 0;
  const uint32_t biased = bits >> 23 & 0xff;
  const uint32_t fraction = bits & 0x7fffff;
  if (biased == 0xff && fraction != 0) {
    text_string(not_a_number);
  } else if (biased == 0xff) {
    write_thousandths(negative, UINT64_MAX);
  } else {
    /* Without the implicit bit of the subnormal ones, which are 0.000. */
    const uint64_t mantissa = biased == 0 ? 0 : fraction | 0x800000;
    write_thousandths(negative, scaled(mantissa * 1000, (int32_t)biased - 150));
  }
}

void mlperf_results(void) {
  const char *separator = "m-results-[";
  for (uint32_t i = 0; i < runtime_output_count(); i++) {
    const runtime_tensor output = runtime_output(i);
    const uint8_t *bytes = output.data;
    const result_format *format = &formats[i];
    for (size_t at = 0; at < output.bytes; at += element_bytes[format->type]) {
      text_string(separator);
      separator = ",";
      if (format->type == RESULT_FLOAT32) {
        write_float(bytes + at);
      } else if (format->type == RESULT_INT64) {
        text_string(not_a_number); /* of no use to a score */
      } else {
        write_integer(format, bytes + at);
      }
    }
  }
  text_string("]\r\n");
}
