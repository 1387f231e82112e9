/* Arduino Nano 33 BLE (nRF52840, Arduino's mbed core): USB serial, and the core's cycle counter. */
#include <Arduino.h>

#include "port.h"

namespace {

/* The Cortex-M4's debug registers, Armv7-M Architecture Reference Manual C1.6.5 and C1.8. */
volatile uint32_t *const debug_control = reinterpret_cast<volatile uint32_t *>(0xe000edfc);
volatile uint32_t *const trace_control = reinterpret_cast<volatile uint32_t *>(0xe0001000);
volatile uint32_t *const cycle_count = reinterpret_cast<volatile uint32_t *>(0xe0001004);

constexpr uint32_t kTraceEnable = 1u << 24;       /* DEMCR.TRCENA */
constexpr uint32_t kCycleCountEnable = 1u << 0;   /* DWT_CTRL.CYCCNTENA */
constexpr uint32_t kCoreHz = 64000000;
constexpr uint32_t kHostWaitMs = 4000;

}  // namespace

const char *port_name(void) { return BOARD_ID; }

void port_init(void) {
  Serial.begin(115200);
  /* What is sent before the host has opened the port is lost; without a host, go on. */
  while (!Serial && millis() < kHostWaitMs) {
  }
  *debug_control |= kTraceEnable;
  *cycle_count = 0;
  *trace_control |= kCycleCountEnable;
}

void port_write(const uint8_t *bytes, size_t count) { Serial.write(bytes, count); }

int port_read(void) { return Serial.read(); }

/* Wraps after 67 s. */
uint32_t port_counter(void) { return *cycle_count; }

uint32_t port_counter_hz(void) { return kCoreHz; }

/* Of a peripheral timer, which halts and scales apart from the core. */
uint32_t port_reference_counter(void) { return micros(); }

uint32_t port_reference_counter_hz(void) { return 1000000; }

void port_halt(int) {
  for (;;) {
  }
}

void setup() { firmware_main(); }

void loop() {}
