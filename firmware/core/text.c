#pragma GCC optimize("Os") /* see mlperf.c */

#include "text.h"

#include <stddef.h>

#include "port.h"

enum { BUFFER_BYTES = 64, LONGEST_DECIMAL = 10 };

__attribute__((noinline)) static void append(char character) {
  static uint8_t buffer[BUFFER_BYTES];
  static size_t count;
  buffer[count++] = (uint8_t)character;
  if (character == '\n' || count == BUFFER_BYTES) {
    port_write(buffer, count);
    count = 0;
  }
}

void text_string(const char *text) {
  while (*text != '\0') {
    append(*text++);
  }
}

void text_decimal(uint32_t value, uint32_t digits) {
  char reversed[LONGEST_DECIMAL];
  uint32_t count = 0;
  do {
    reversed[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0 || count < digits);
  while (count > 0) {
    append(reversed[--count]);
  }
}

void text_hex(uint8_t value) {
  append("0123456789abcdef"[value >> 4]);
  append("0123456789abcdef"[value & 0xf]);
}
