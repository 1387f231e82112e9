/* The benchmark firmware: greets, then answers one request after the other, for ever. */
#include <stdbool.h>

#include "benchmark.h"
#include "clock.h"
#include "frame.h"
#include "mlperf.h"
#include "model_info.h"
#include "model_io.h"
#include "port.h"
#include "reply.h"
#include "runtime.h"
#include "text.h"
#include "version.h"

static const uint8_t model_sha256[32] = MODEL_SHA256;

/* False where runtime_init failed: every request that needs an inference is then refused. */
static bool runtime_ready;

static void send_info(void) {
  reply_begin(PROTOCOL_INFO);
  reply_u8(PROTOCOL_VERSION);
  reply_u16(PROTOCOL_MAX_PAYLOAD);
  reply_u32(port_counter_hz());
  reply_u32((uint32_t)runtime_arena_bytes());
  reply_u32(MODEL_INPUT_BYTES);
  reply_u32(MODEL_OUTPUT_BYTES);
  reply_u16((uint16_t)runtime_step_count());
  reply_bytes(model_sha256, sizeof model_sha256);
  reply_string(port_name());
  reply_string(runtime_name());
  reply_string(FIRMWARE_VERSION);
  reply_end();
}

static void write_input(const frame *request) {
  const uint32_t offset = protocol_read_u32(request->payload);
  if (!model_io_stage(offset, request->payload + 4, request->payload_bytes - 4u)) {
    reply_error(PROTOCOL_OUT_OF_RANGE, "beyond the inputs");
    return;
  }
  reply_begin(PROTOCOL_ACK);
  reply_end();
}

static void read_output(const frame *request) {
  const uint32_t offset = protocol_read_u32(request->payload);
  const uint16_t count = protocol_read_u16(request->payload + 4);
  if (count > PROTOCOL_MAX_PAYLOAD - 4 || !model_io_has_output(offset, count)) {
    reply_error(PROTOCOL_OUT_OF_RANGE, "beyond the outputs, or too much for one reply");
    return;
  }
  reply_begin(PROTOCOL_OUTPUT);
  reply_u32(offset);
  model_io_reply_output(offset, count);
  reply_end();
}

static void run(const frame *request) {
  const uint16_t runs = protocol_read_u16(request->payload + 2);
  if (runs == 0) {
    reply_error(PROTOCOL_OUT_OF_RANGE, "no runs");
    return;
  }
  benchmark_run(protocol_read_u16(request->payload), runs);
}

static void hello(const frame *request) {
  (void)request;
  send_info();
}

static void infer(const frame *request) {
  (void)request;
  benchmark_infer();
}

static void profile(const frame *request) {
  (void)request;
  benchmark_profile();
}

static void check(const frame *request) {
  (void)request;
  benchmark_check();
}

static void get_clocks(const frame *request) {
  (void)request;
  const clock_time now = clock_now();
  const uint32_t reference = port_reference_counter();
  reply_begin(PROTOCOL_CLOCKS);
  reply_u64((uint64_t)now.seconds * port_counter_hz() + now.ticks);
  reply_u32(reference);
  reply_u32(port_reference_counter_hz());
  reply_end();
}

typedef struct {
  uint8_t type;
  bool needs_runtime;
  uint16_t min_bytes; /* of the payload */
  uint16_t max_bytes;
  void (*answer)(const frame *request);
} request_kind;

static const request_kind request_kinds[] = {
    {PROTOCOL_HELLO, false, 0, 0, hello},
    {PROTOCOL_WRITE_INPUT, false, 4, PROTOCOL_MAX_PAYLOAD, write_input},
    {PROTOCOL_INFER, true, 0, 0, infer},
    {PROTOCOL_READ_OUTPUT, true, 6, 6, read_output},
    {PROTOCOL_RUN, true, 4, 4, run},
    {PROTOCOL_PROFILE, true, 0, 0, profile},
    {PROTOCOL_CHECK, true, 0, 0, check},
    {PROTOCOL_GET_CLOCKS, false, 0, 0, get_clocks},
};

static void answer(const frame *request) {
  reply_to(request->sequence);
  for (size_t i = 0; i < sizeof request_kinds / sizeof request_kinds[0]; i++) {
    const request_kind *kind = &request_kinds[i];
    if (kind->type != request->type) {
      continue;
    }
    if (request->payload_bytes < kind->min_bytes || request->payload_bytes > kind->max_bytes) {
      reply_error(PROTOCOL_BAD_LENGTH, "bad payload length");
    } else if (kind->needs_runtime && !runtime_ready) {
      reply_error(PROTOCOL_RUNTIME_FAILED, "the runtime could not prepare the model");
    } else {
      kind->answer(request);
    }
    return;
  }
  reply_error(PROTOCOL_UNKNOWN_REQUEST, "unknown request");
}

static void greet(void) {
  text_string("mcu-pipeline ");
  text_string(port_name());
  text_string(" ");
  text_string(runtime_name());
  text_string(" " MODEL_NAME "\r\n");
  reply_to(0);
  send_info();
}

void firmware_main(void) {
  static frame_receiver receiver;
  frame request;
  port_init();
  runtime_ready = runtime_init();
  greet();
  for (;;) {
    const int byte = port_read();
    (void)clock_now();
    if (byte < 0) {
      continue;
    }
    if (frame_receive(&receiver, (uint8_t)byte, &request)) {
      answer(&request);
    }
    mlperf_receive((uint8_t)byte, runtime_ready);
  }
}
