/* What TensorFlow Lite Micro of early 2023 takes from Arduino: a way to print, which
 * ARDUINO_EXCLUDE_CODE leaves out, and ways to give up, for which a bare newlib would want an
 * operating system. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "port.h"

void DebugLog(const char *text);
void __assert_func(const char *file, int line, const char *function, const char *expression);

void DebugLog(const char *text) { port_write((const uint8_t *)text, strlen(text)); }

_Noreturn static void give_up(const char *reason) {
  DebugLog("\r\n");
  DebugLog(reason);
  DebugLog("\r\n");
  port_halt(EXIT_FAILURE);
  for (;;) {
  }
}

void abort(void) { give_up("TFLM aborted"); }

void __assert_func(const char *file, int line, const char *function, const char *expression) {
  (void)file;
  (void)line;
  (void)function;
  give_up(expression);
}
