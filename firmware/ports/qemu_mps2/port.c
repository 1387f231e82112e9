/* QEMU's mps2-an386: UART0 as the serial line, TIMER0 as the counter. Both are blocks of Arm's
 * Cortex-M System Design Kit (CMSDK) on a 25 MHz clock; register layouts: Arm DDI 0479. */
#include "port.h"

#include <stdbool.h>

typedef struct {
  volatile uint32_t data;
  volatile uint32_t state;
  volatile uint32_t control;
  volatile uint32_t interrupt;
  volatile uint32_t baud_divisor;
} cmsdk_uart;

typedef struct {
  volatile uint32_t control;
  volatile uint32_t value; /* counts down to 0, then starts again from `reload` */
  volatile uint32_t reload;
} cmsdk_timer;

enum {
  UART_TRANSMIT_FULL = 1 << 0,
  UART_RECEIVE_FULL = 1 << 1,
  UART_TRANSMIT_ENABLE = 1 << 0,
  UART_RECEIVE_ENABLE = 1 << 1,
  UART_RECEIVE_INTERRUPT_ENABLE = 1 << 3,
  UART_RECEIVE_INTERRUPT = 1 << 1,
  UART_MIN_DIVISOR = 16,
  UART_RECEIVE_IRQ = 1 << 0, /* interrupt 0 */
  TIMER_ENABLE = 1 << 0,
  CLOCK_HZ = 25000000,
};

static cmsdk_timer *const timer = (cmsdk_timer *)0x40000000;
static cmsdk_uart *const uart = (cmsdk_uart *)0x40004000;
static volatile uint32_t *const nvic_enable = (volatile uint32_t *)0xe000e100;
static volatile uint32_t *const nvic_clear_pending = (volatile uint32_t *)0xe000e280;

const char *port_name(void) { return BOARD_ID; }

void port_init(void) {
  uart->baud_divisor = UART_MIN_DIVISOR;
  uart->control = UART_TRANSMIT_ENABLE | UART_RECEIVE_ENABLE | UART_RECEIVE_INTERRUPT_ENABLE;
  /* Masked: the pending interrupt ends a WFI, and no handler ever runs. */
  __asm__ volatile("cpsid i");
  *nvic_enable = UART_RECEIVE_IRQ;
  timer->reload = UINT32_MAX;
  timer->value = UINT32_MAX;
  timer->control = TIMER_ENABLE;
}

void port_write(const uint8_t *bytes, size_t count) {
  while (count-- > 0) {
    while (uart->state & UART_TRANSMIT_FULL) {
    }
    uart->data = *bytes++;
  }
}

static bool has_received(void) { return (uart->state & UART_RECEIVE_FULL) != 0; }

/* Sleeps until a byte arrives: a guest that polls keeps QEMU from fetching the byte it waits for,
 * and a processor of the host busy. */
static void wait_for_byte(void) {
  uart->interrupt = UART_RECEIVE_INTERRUPT;
  *nvic_clear_pending = UART_RECEIVE_IRQ;
  if (!has_received()) {
    __asm__ volatile("wfi");
  }
}

int port_read(void) {
  if (!has_received()) {
    wait_for_byte();
    return -1;
  }
  return (int)(uart->data & 0xff);
}

uint32_t port_counter(void) { return UINT32_MAX - timer->value; }

uint32_t port_counter_hz(void) { return CLOCK_HZ; }

/* Semihosting's SYS_EXIT_EXTENDED ends QEMU with this exit status. */
void port_halt(int status) {
  const uint32_t application_exit[2] = {0x20026, (uint32_t)status};
  register uint32_t operation __asm__("r0") = 0x20;
  register const uint32_t *arguments __asm__("r1") = application_exit;
  __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(arguments) : "memory");
  for (;;) {
  }
}
