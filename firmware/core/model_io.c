#include "model_io.h"

#include <string.h>

#include "model_info.h"
#include "reply.h"
#include "runtime.h"

static uint8_t staging[MODEL_INPUT_BYTES];

static bool is_within(uint32_t offset, uint32_t count, uint32_t size) {
  return offset <= size && count <= size - offset;
}

bool model_io_stage(uint32_t offset, const uint8_t *bytes, uint32_t count) {
  if (!is_within(offset, count, MODEL_INPUT_BYTES)) {
    return false;
  }
  memcpy(staging + offset, bytes, count);
  return true;
}

uint8_t model_io_staged(uint32_t offset) { return staging[offset]; }

void model_io_load_inputs(void) {
  const uint8_t *next = staging;
  for (uint32_t i = 0; i < runtime_input_count(); i++) {
    const runtime_tensor input = runtime_input(i);
    memcpy(input.data, next, input.bytes);
    next += input.bytes;
  }
}

bool model_io_has_output(uint32_t offset, uint32_t count) {
  return is_within(offset, count, MODEL_OUTPUT_BYTES);
}

void model_io_reply_output(uint32_t offset, uint32_t count) {
  for (uint32_t i = 0; i < runtime_output_count() && count > 0; i++) {
    const runtime_tensor output = runtime_output(i);
    if (offset >= output.bytes) {
      offset -= (uint32_t)output.bytes;
      continue;
    }
    const uint32_t left = (uint32_t)output.bytes - offset;
    const uint32_t part = count < left ? count : left;
    reply_bytes((const uint8_t *)output.data + offset, part);
    count -= part;
    offset = 0;
  }
}
