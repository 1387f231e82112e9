/* The firmware as a process of this computer: its serial line is stdin and stdout. */
#define _POSIX_C_SOURCE 200809L

#include "port.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { NANOSECONDS_PER_TICK = 10, IDLE_MS = 100 };

const char *port_name(void) { return BOARD_ID; }

void port_init(void) {}

void port_write(const uint8_t *bytes, size_t count) {
  while (count > 0) {
    const ssize_t written = write(STDOUT_FILENO, bytes, count);
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      port_halt(EXIT_FAILURE);
    }
    bytes += written;
    count -= (size_t)written;
  }
}

/* Waits a moment where nothing is there, so that an idle firmware does not keep a processor busy.
 * Ends the program at the end of stdin: the host has hung up. */
int port_read(void) {
  static uint8_t buffer[4096];
  static size_t next, end;
  if (next == end) {
    struct pollfd line = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&line, 1, IDLE_MS) <= 0) {
      return -1;
    }
    const ssize_t count = read(STDIN_FILENO, buffer, sizeof buffer);
    if (count == 0) {
      port_halt(EXIT_SUCCESS);
    }
    if (count < 0) {
      return -1;
    }
    next = 0;
    end = (size_t)count;
  }
  return buffer[next++];
}

/* Ticks of 10 ns wrap after 42.9 s, single nanoseconds would after 4.3 s. */
uint32_t port_counter(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  return (uint32_t)(ns / NANOSECONDS_PER_TICK);
}

uint32_t port_counter_hz(void) { return 1000000000u / NANOSECONDS_PER_TICK; }

void port_halt(int status) { exit(status); }
