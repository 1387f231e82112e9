/* From reset to main, and out of any fault. */
#include <stdint.h>

#include "port.h"

/* Placed by the linker script. */
extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];
extern uint32_t stack_end[], handler_stack_end[];

int main(void);
void on_reset(void);

enum { FAULT_STATUS = 99 };

static void write_hex(uint32_t value) {
  uint8_t digits[8];
  for (int i = 0; i < 8; i++) {
    digits[i] = (uint8_t)"0123456789abcdef"[(value >> (28 - 4 * i)) & 0xf];
  }
  port_write(digits, sizeof digits);
}

/* Handlers run on a stack of their own, so this speaks after an overflow of main's stack too. */
static void on_fault(void) {
  const uint32_t fault_status = *(volatile uint32_t *)0xe000ed28; /* CFSR */
  port_write((const uint8_t *)"\r\nFAULT ", 8);
  write_hex(fault_status);
  port_write((const uint8_t *)"\r\n", 2);
  port_halt(FAULT_STATUS);
}

typedef struct {
  volatile uint32_t type;
  volatile uint32_t control;
  volatile uint32_t number;
  volatile uint32_t base;
  volatile uint32_t attributes;
} memory_protection_unit;

enum {
  MPU_ENABLE = 1 << 0,
  MPU_READ_ONLY = 6 << 24,
  MPU_READ_WRITE = 3 << 24,
  MPU_NEVER_EXECUTE = 1 << 28,
};

static memory_protection_unit *const mpu = (memory_protection_unit *)0xe000ed90;

static void allow(uint32_t region, uint32_t base, uint32_t log2_bytes, uint32_t access) {
  mpu->number = region;
  mpu->base = base;
  mpu->attributes = access | ((log2_bytes - 1) << 1) | MPU_ENABLE;
}

/* mps2-an386 has more memory than the Nano, lets flash be written, and ignores accesses to nothing:
 * here all of these fault. */
static void allow_only_what_the_board_has(void) {
  allow(0, 0x00000000, 20, MPU_READ_ONLY);
  allow(1, 0x20000000, 18, MPU_READ_WRITE | MPU_NEVER_EXECUTE);
  allow(2, 0x40000000, 29, MPU_READ_WRITE | MPU_NEVER_EXECUTE); /* peripherals */
  mpu->control = MPU_ENABLE;
}

static void start(void) {
  allow_only_what_the_board_has();
  for (uint32_t *from = data_load, *to = data_start; to < data_end;) {
    *to++ = *from++;
  }
  for (uint32_t *to = bss_start; to < bss_end;) {
    *to++ = 0;
  }
  port_halt(main());
}

/* Turns the FPU on (CPACR: full access to CP10 and CP11) and moves to main's own stack: both before
 * the first C function that may use them. */
__attribute__((naked)) void on_reset(void) {
  __asm__ volatile(
      "ldr r0, =0xe000ed88 \n"
      "ldr r1, [r0]        \n"
      "orr r1, #0xf00000   \n"
      "str r1, [r0]        \n"
      "ldr r0, =stack_end  \n"
      "msr psp, r0         \n"
      "movs r0, #2         \n"
      "msr control, r0     \n"
      "dsb                 \n"
      "isb                 \n"
      "b %c0               \n"
      :
      : "i"(start));
}

typedef void (*vector)(void);

/* No interrupt is used: all entries after reset are faults. */
__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    (vector)handler_stack_end,
    on_reset,
    on_fault, on_fault, on_fault, on_fault, on_fault,
    0, 0, 0, 0,
    on_fault, on_fault,
    0,
    on_fault, on_fault,
};
