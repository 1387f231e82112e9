/* QEMU's riscv32 "virt" machine: an NS16550A UART as the serial line, retired instructions as the
 * counter. Addresses: QEMU's hw/riscv/virt.c. */
#include "port.h"

typedef struct {
  volatile uint8_t data;
  volatile uint8_t interrupt_enable;
  volatile uint8_t interrupt_identity;
  volatile uint8_t line_control;
  volatile uint8_t modem_control;
  volatile uint8_t line_status;
} ns16550;

enum {
  RECEIVE_INTERRUPT = 1 << 0,
  RECEIVED = 1 << 0,
  TRANSMIT_EMPTY = 1 << 5,
  UART_IRQ = 10,
  MACHINE_EXTERNAL_INTERRUPT = 1 << 11, /* in mie */
  FINISHER_PASS = 0x5555,
  FINISHER_FAIL = 0x3333,
  FAULT_STATUS = 99,
  INSTRUCTIONS_HZ = 1000000000, /* -icount shift=0: one a nanosecond of emulated time */
};

static ns16550 *const uart = (ns16550 *)0x10000000;
static volatile uint32_t *const finisher = (volatile uint32_t *)0x100000;
/* Platform-level interrupt controller, context 0: machine mode of hart 0. */
static volatile uint32_t *const plic_priority = (volatile uint32_t *)0x0c000000;
static volatile uint32_t *const plic_enable = (volatile uint32_t *)0x0c002000;
static volatile uint32_t *const plic_claim = (volatile uint32_t *)0x0c200004;

/* GCC has libraries for rv32imc only: the CSR instructions, which every RV32IMC core has, are named
 * where they are used. */
#define WITH_CSR(instruction) ".option push\n.option arch, +zicsr\n" instruction "\n.option pop"

void port_fault(uint32_t cause);

const char *port_name(void) { return BOARD_ID; }

/* mstatus.MIE stays 0: a pending interrupt ends a WFI, and no handler ever runs. */
void port_init(void) {
  plic_priority[UART_IRQ] = 1;
  *plic_enable = 1u << UART_IRQ;
  uart->interrupt_enable = RECEIVE_INTERRUPT;
  __asm__ volatile(WITH_CSR("csrs mie, %0") : : "r"(MACHINE_EXTERNAL_INTERRUPT));
}

void port_write(const uint8_t *bytes, size_t count) {
  while (count-- > 0) {
    while ((uart->line_status & TRANSMIT_EMPTY) == 0) {
    }
    uart->data = *bytes++;
  }
}

/* Sleeps where no byte waits: a guest that polls keeps a processor of the host busy. */
int port_read(void) {
  if ((uart->line_status & RECEIVED) != 0) {
    return uart->data;
  }
  *plic_claim = *plic_claim; /* claims and completes, so that the next byte interrupts again */
  if ((uart->line_status & RECEIVED) == 0) {
    __asm__ volatile("wfi");
  }
  return -1;
}

uint32_t port_counter(void) {
  uint32_t count;
  __asm__ volatile(WITH_CSR("csrr %0, minstret") : "=r"(count));
  return count;
}

uint32_t port_counter_hz(void) { return INSTRUCTIONS_HZ; }

/* Ends QEMU with this exit status. */
void port_halt(int status) {
  *finisher = status == 0 ? FINISHER_PASS : FINISHER_FAIL | (uint32_t)status << 16;
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
