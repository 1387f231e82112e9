/* QEMU's Xtensa "sim" machine: the simulator's system calls as the serial line, the cycle counter as
 * the counter. Numbers of the calls: QEMU's target/xtensa/xtensa-semi.c. */
#include "port.h"

enum {
  CALL_EXIT = 1,
  CALL_READ = 3,
  CALL_WRITE = 4,
  HOST_STDIN = 0,
  HOST_STDOUT = 1,
  CCOUNT_HZ = 40000000, /* of QEMU's DE212 */
  FAULT_STATUS = 99,
};

void port_fault(uint32_t cause);

/* The instruction SIMCALL, which the assembler does not know: bytes 00 51 00. */
static int32_t simulator_call(int32_t number, int32_t a, const void *buffer, uint32_t bytes) {
  register int32_t a2 __asm__("a2") = number;
  register int32_t a3 __asm__("a3") = a;
  register const void *a4 __asm__("a4") = buffer;
  register uint32_t a5 __asm__("a5") = bytes;
  __asm__ volatile(".byte 0x00, 0x51, 0x00" : "+r"(a2), "+r"(a3) : "r"(a4), "r"(a5) : "memory");
  return a2;
}

const char *port_name(void) { return BOARD_ID; }

void port_init(void) {}

void port_write(const uint8_t *bytes, size_t count) {
  while (count > 0) {
    const int32_t written = simulator_call(CALL_WRITE, HOST_STDOUT, bytes, count);
    if (written <= 0) {
      port_halt(1);
    }
    bytes += written;
    count -= (size_t)written;
  }
}

/* Waits in the host for what comes next. Ends the program at the end of stdin: the host has hung
 * up. */
int port_read(void) {
  static uint8_t buffer[512];
  static uint32_t next, end;
  if (next == end) {
    const int32_t count = simulator_call(CALL_READ, HOST_STDIN, buffer, sizeof buffer);
    if (count == 0) {
      port_halt(0);
    }
    if (count < 0) {
      return -1;
    }
    next = 0;
    end = (uint32_t)count;
  }
  return buffer[next++];
}

uint32_t port_counter(void) {
  uint32_t count;
  __asm__ volatile("rsr %0, ccount" : "=r"(count));
  return count;
}

uint32_t port_counter_hz(void) { return CCOUNT_HZ; }

/* Ends QEMU with this exit status. */
void port_halt(int status) {
  simulator_call(CALL_EXIT, status, 0, 0);
  for (;;) {
  }
}

void port_fault(uint32_t cause) {
  uint8_t digits[8];
  for (int i = 0; i < 8; i++) {
    digits[i] = (uint8_t)"0123456789abcdef"[(cause >> (28 - 4 * i)) & 0xf];
  }
  port_write((const uint8_t *)"\r\nFAULT ", 8);
  port_write(digits, sizeof digits);
  port_write((const uint8_t *)"\r\n", 2);
  port_halt(FAULT_STATUS);
}
