/* MLCommons' MLPerf Tiny device protocol: text commands that end in '%', beside our frames on the
 * same line. docs/protocol.md lists the commands. */
#ifndef MLPERF_H
#define MLPERF_H

#include <stdbool.h>
#include <stdint.h>

/* Takes every byte off the line, those of frames too, and carries out the command that one ends.
 * Without a runtime that is ready, inferences are refused. */
void mlperf_receive(uint8_t byte, bool runtime_ready);

#endif
