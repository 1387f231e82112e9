/* Time since reset, from the board's counter, however often that has wrapped. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

typedef struct {
  uint32_t seconds;
  uint32_t ticks; /* of the next second: less than port_counter_hz() */
} clock_time;

/* To be called at least once in every turn of the counter; no turn is shorter than 4.2 s. */
clock_time clock_now(void);

#endif
