/* runtime.h as TFLM's interpreter keeps it, around a model that aot compiled: it refuses to work in
 * an arena below NEEDED_BYTES and says that it uses USED_BYTES, as TFLM leaves out of that what it
 * takes while it plans. */
#include "aot_model.h"
#include "model_data.h"
#include "runtime.h"

const char *runtime_name(void) { return "tflm"; }

bool runtime_init(void) { return MODEL_ARENA_BYTES >= NEEDED_BYTES; }

uint32_t runtime_input_count(void) { return AOT_MODEL_INPUT_COUNT; }

uint32_t runtime_output_count(void) { return AOT_MODEL_OUTPUT_COUNT; }

static runtime_tensor tensor(const aot_model_tensor *from) {
  return (runtime_tensor){from->data, from->bytes};
}

runtime_tensor runtime_input(uint32_t index) { return tensor(&aot_model_inputs[index]); }

runtime_tensor runtime_output(uint32_t index) { return tensor(&aot_model_outputs[index]); }

bool runtime_invoke(runtime_step_hook after_step) {
  aot_model_invoke(after_step);
  return true;
}

uint32_t runtime_step_count(void) { return AOT_MODEL_STEP_COUNT; }

uint32_t runtime_step_output_count(uint32_t step) {
  return (uint32_t)(aot_model_step_first[step + 1] - aot_model_step_first[step]);
}

runtime_tensor runtime_step_output(uint32_t step, uint32_t index) {
  return tensor(&aot_model_step_outputs[aot_model_step_first[step] + index]);
}

size_t runtime_arena_bytes(void) { return USED_BYTES; }
