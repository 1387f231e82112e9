/* The line "m-results-[...]" of the MLPerf Tiny device protocol. */
#ifndef MLPERF_RESULTS_H
#define MLPERF_RESULTS_H

/* Writes all outputs as real numbers with three decimals. */
void mlperf_results(void);

#endif
