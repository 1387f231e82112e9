/* runtime.h over the sources that the pipeline generates from a model. */
#include "model.h"
#include "runtime.h"

static runtime_tensor as_runtime_tensor(const model_tensor *tensor) {
  return (runtime_tensor){tensor->data, tensor->bytes};
}

const char *runtime_name(void) { return "aot"; }

bool runtime_init(void) { return true; }

uint32_t runtime_input_count(void) { return MODEL_INPUT_COUNT; }

uint32_t runtime_output_count(void) { return MODEL_OUTPUT_COUNT; }

runtime_tensor runtime_input(uint32_t index) { return as_runtime_tensor(&model_inputs[index]); }

runtime_tensor runtime_output(uint32_t index) { return as_runtime_tensor(&model_outputs[index]); }

bool runtime_invoke(runtime_step_hook after_step) {
  model_invoke(after_step);
  return true;
}

uint32_t runtime_step_count(void) { return MODEL_STEP_COUNT; }

uint32_t runtime_step_output_count(uint32_t step) {
  return (uint32_t)(model_step_first[step + 1] - model_step_first[step]);
}

runtime_tensor runtime_step_output(uint32_t step, uint32_t index) {
  return as_runtime_tensor(&model_step_outputs[model_step_first[step] + index]);
}

size_t runtime_arena_bytes(void) { return MODEL_ARENA_BYTES; }
