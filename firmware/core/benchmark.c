#include "benchmark.h"

#include <stdbool.h>

#include "clock.h"
#include "crc32.h"
#include "model_info.h"
#include "model_io.h"
#include "port.h"
#include "reply.h"
#include "runtime.h"

typedef struct {
  uint32_t min;
  uint32_t max;
  uint64_t total;
} statistics;

static void add_sample(statistics *all, uint32_t ticks) {
  all->min = ticks < all->min ? ticks : all->min;
  all->max = ticks > all->max ? ticks : all->max;
  all->total += ticks;
}

/* Only what is timed reads the counter through here: the instrument in the emulator counts from one
 * call to the next (pipeline/emulation). */
__attribute__((noinline)) uint32_t benchmark_counter(void) { return port_counter(); }

/* Says so to the host where the runtime failed. */
static bool succeeded(bool done) {
  if (!done) {
    reply_error(PROTOCOL_RUNTIME_FAILED, "the runtime failed");
  }
  return done;
}

/* *ticks is the time of the inference alone, without loading its inputs. */
static bool timed_inference(uint32_t *ticks) {
  model_io_load_inputs();
  const uint32_t start = benchmark_counter();
  const bool done = runtime_invoke(NULL);
  *ticks = benchmark_counter() - start;
  (void)clock_now(); /* the next one may last as long as the counter's turn */
  return succeeded(done);
}

void benchmark_infer(void) {
  uint32_t ticks;
  if (!timed_inference(&ticks)) {
    return;
  }
  reply_begin(PROTOCOL_INFERRED);
  reply_u32(ticks);
  reply_end();
}

void benchmark_run(uint16_t warmups, uint16_t runs) {
  statistics all = {.min = UINT32_MAX};
  uint32_t ticks;
  for (uint16_t i = 0; i < warmups; i++) {
    if (!timed_inference(&ticks)) {
      return;
    }
  }
  for (uint16_t i = 0; i < runs; i++) {
    if (!timed_inference(&ticks)) {
      return;
    }
    add_sample(&all, ticks);
    reply_begin(PROTOCOL_SAMPLE);
    reply_u16(i);
    reply_u32(ticks);
    reply_end();
  }
  reply_begin(PROTOCOL_RUN_DONE);
  reply_u16(runs);
  reply_u32(all.min);
  reply_u32(all.max);
  reply_u64(all.total);
  reply_end();
}

static void reply_done(uint32_t count) {
  reply_begin(PROTOCOL_DONE);
  reply_u16((uint16_t)count);
  reply_end();
}

/* Kept until the inference is over: sending in between would disturb the next step on boards that
 * transmit in the background. */
static uint32_t step_ticks[MODEL_OPERATOR_COUNT];
static uint32_t step_start;

static void time_step(uint32_t step) {
  const uint32_t now = benchmark_counter();
  if (step < MODEL_OPERATOR_COUNT) {
    step_ticks[step] = now - step_start;
  }
  step_start = benchmark_counter();
}

void benchmark_profile(void) {
  model_io_load_inputs();
  step_start = benchmark_counter();
  if (!succeeded(runtime_invoke(time_step))) {
    return;
  }
  const uint32_t steps = runtime_step_count();
  for (uint32_t step = 0; step < steps; step++) {
    reply_begin(PROTOCOL_STEP_TICKS);
    reply_u16((uint16_t)step);
    reply_u32(step_ticks[step]);
    reply_end();
  }
  reply_done(steps);
}

static void send_step_crc(uint32_t step) {
  uint32_t crc = 0;
  for (uint32_t i = 0; i < runtime_step_output_count(step); i++) {
    const runtime_tensor tensor = runtime_step_output(step, i);
    crc = crc32(crc, tensor.data, tensor.bytes);
  }
  reply_begin(PROTOCOL_STEP_CRC);
  reply_u16((uint16_t)step);
  reply_u32(crc);
  reply_end();
}

void benchmark_check(void) {
  model_io_load_inputs();
  if (succeeded(runtime_invoke(send_step_crc))) {
    reply_done(runtime_step_count());
  }
}
