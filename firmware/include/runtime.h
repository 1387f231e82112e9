/* What the benchmark core needs of a runtime (aot, tflm). The core does not know which it is. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  void *data;
  size_t bytes;
} runtime_tensor;

/* "aot" or "tflm". */
const char *runtime_name(void);

/* Prepares the model; called once before anything below. False: no inference is possible. */
bool runtime_init(void);

uint32_t runtime_input_count(void);
uint32_t runtime_output_count(void);

/* Inputs and outputs in the model's order. Invoking may overwrite inputs; outputs hold until
 * an input is written or the model is invoked again. */
runtime_tensor runtime_input(uint32_t index);
runtime_tensor runtime_output(uint32_t index);

/* Called after every step, outside of nothing else: the time between two calls is the step's plus
 * the call's own. */
typedef void (*runtime_step_hook)(uint32_t step);

/* One inference. `after_step` may be NULL. False: the runtime failed. */
bool runtime_invoke(runtime_step_hook after_step);

/* Steps in execution order; a step is one operator, or several where they are fused. */
uint32_t runtime_step_count(void);

/* Whole tensors that exist right after a step; valid only within the hook called for it. */
uint32_t runtime_step_output_count(uint32_t step);
runtime_tensor runtime_step_output(uint32_t step, uint32_t index);

/* Bytes that hold all activations, inputs, outputs and scratch. */
size_t runtime_arena_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
