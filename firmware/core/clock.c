#include "clock.h"

#include "port.h"

/* A board without a second clock leaves these to us. */
__attribute__((weak)) uint32_t port_reference_counter(void) { return 0; }
__attribute__((weak)) uint32_t port_reference_counter_hz(void) { return 0; }

clock_time clock_now(void) {
  static clock_time now;
  static uint32_t last;
  const uint32_t counter = port_counter();
  const uint32_t hz = port_counter_hz();
  uint64_t ticks = (uint64_t)now.ticks + (uint32_t)(counter - last);
  last = counter;
  /* Subtracted, not divided: 64-bit division is a kilobyte of library on these cores. */
  while (ticks >= hz) {
    ticks -= hz;
    now.seconds++;
  }
  now.ticks = (uint32_t)ticks;
  return now;
}
