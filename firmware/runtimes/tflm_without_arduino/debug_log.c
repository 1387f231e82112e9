/* What TensorFlow Lite Micro of early 2023 prints with. Its Arduino library has one for Serial, which
 * ARDUINO_EXCLUDE_CODE leaves out. */
#include <stdint.h>
#include <string.h>

#include "port.h"

void DebugLog(const char *text);

void DebugLog(const char *text) { port_write((const uint8_t *)text, strlen(text)); }
