/* Inferences on the staged inputs, each with its replies: INFER, RUN, PROFILE, CHECK. */
#ifndef BENCHMARK_H
#define BENCHMARK_H

#include <stdint.h>

/* The board's counter, read right before and right after everything that is timed. */
uint32_t benchmark_counter(void);

/* One timed inference. */
void benchmark_infer(void);

/* `warmups` inferences that are not reported, then `runs` (at least 1) that are. */
void benchmark_run(uint16_t warmups, uint16_t runs);

/* Time of every step of one inference. */
void benchmark_profile(void);

/* Checksum of what every step of one inference computed. */
void benchmark_check(void);

#endif
