/* The host's port with counters that move by a fixed step at every reading, so that time is the same
 * in every run and wraps as often as a test likes. */
#define port_counter real_port_counter
#include "port.c"
#undef port_counter

uint32_t port_counter(void);

static uint32_t step(const char *name) {
  const char *value = getenv(name);
  return value == NULL ? 0 : (uint32_t)strtoul(value, NULL, 10);
}

uint32_t port_counter(void) {
  static uint32_t now = 0xffffff00;
  return now += step("COUNTER_STEP");
}

/* Of 100 MHz too. */
uint32_t port_reference_counter(void) { return port_counter() + 7; }

uint32_t port_reference_counter_hz(void) { return port_counter_hz(); }
