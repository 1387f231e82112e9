/* Inferences on the staged inputs, each with its replies: INFER, RUN, PROFILE, CHECK. */
#ifndef BENCHMARK_H
#define BENCHMARK_H

#include <stdint.h>

/* One timed inference. */
void benchmark_infer(void);

/* `warmups` inferences that are not reported, then `runs` (at least 1) that are. */
void benchmark_run(uint16_t warmups, uint16_t runs);

/* Time of every step of one inference. */
void benchmark_profile(void);

/* Checksum of what every step of one inference computed. */
void benchmark_check(void);

#endif
