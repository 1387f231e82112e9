/* Reads the bytes of all outputs from stdin, again and again, and writes their results lines. */
#include <stdio.h>

#include "mlperf_results.h"
#include "model_info.h"
#include "port.h"
#include "runtime.h"

static const uint32_t sizes[] = OUTPUT_SIZES;
static unsigned char outputs[MODEL_OUTPUT_BYTES];

uint32_t runtime_output_count(void) { return sizeof sizes / sizeof sizes[0]; }

runtime_tensor runtime_output(uint32_t index) {
  uint32_t offset = 0;
  for (uint32_t i = 0; i < index; i++) {
    offset += sizes[i];
  }
  return (runtime_tensor){outputs + offset, sizes[index]};
}

void port_write(const uint8_t *bytes, size_t count) { fwrite(bytes, 1, count, stdout); }

int main(void) {
  while (fread(outputs, sizeof outputs, 1, stdin) == 1) {
    mlperf_results();
  }
}
