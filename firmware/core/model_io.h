/* The host's view of the model's inputs and outputs: each side laid end to end, in order. */
#ifndef MODEL_IO_H
#define MODEL_IO_H

#include <stdbool.h>
#include <stdint.h>

/* Keeps input bytes in the staging area. False where they would not fit. */
bool model_io_stage(uint32_t offset, const uint8_t *bytes, uint32_t count);

/* A byte of the staging area; `offset` must lie within it. */
uint8_t model_io_staged(uint32_t offset);

/* Copies the staging area into the inputs: before every inference, as one may overwrite them. */
void model_io_load_inputs(void);

/* Whether the outputs have `count` bytes at `offset`. */
bool model_io_has_output(uint32_t offset, uint32_t count);

/* Adds these output bytes to the reply that is being sent. */
void model_io_reply_output(uint32_t offset, uint32_t count);

#endif
