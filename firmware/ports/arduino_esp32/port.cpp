/* The ESP32 family with Espressif's Arduino core: the serial port that the build calls Serial, and
 * the 64-bit microsecond timer. */
#include <Arduino.h>
#include <esp_timer.h>

#include "port.h"

namespace {

constexpr uint32_t kHostWaitMs = 4000;
/* A whole frame of the protocol, that a long inference must not lose. */
constexpr size_t kReceiveBytes = 2048;

}  // namespace

const char *port_name(void) { return BOARD_ID; }

void port_init(void) {
  Serial.setRxBufferSize(kReceiveBytes);
  Serial.begin(115200);
  while (!Serial && millis() < kHostWaitMs) {
  }
}

void port_write(const uint8_t *bytes, size_t count) { Serial.write(bytes, count); }

int port_read(void) { return Serial.read(); }

/* Microseconds: the core's cycle counter would wrap after 17.9 s at 240 MHz, and at another rate
 * where the clock changes. */
uint32_t port_counter(void) { return static_cast<uint32_t>(esp_timer_get_time()); }

uint32_t port_counter_hz(void) { return 1000000; }

/* The core's cycle counter: the loop task, which runs all of this, stays on one core. */
uint32_t port_reference_counter(void) { return ESP.getCycleCount(); }

uint32_t port_reference_counter_hz(void) { return ESP.getCpuFreqMHz() * 1000000u; }

void port_halt(int) {
  for (;;) {
    delay(1000);
  }
}

void setup() { firmware_main(); }

void loop() {}
