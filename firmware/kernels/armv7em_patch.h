/* Patches of activations for the tile kernels rendered from templates/aot/armv7em/tile.j2, which
 * says what X and U are. For Armv7E-M alone. */
#ifndef ARMV7EM_PATCH_H
#define ARMV7EM_PATCH_H

#include <stdint.h>
#include <string.h>

enum {
  STEP_INPUTS = 4, /* activations in a word */
  TILE_PIXELS = 3,
  PAIR_BIASES = 2
};

/* What a tile kernel reads; offsets are known to its assembly. */
typedef struct {
  int32_t steps;          /* words X of a pixel */
  int32_t stream_bytes;   /* of all pairs of channels to compute */
  int32_t output_stride;  /* bytes from pixel to pixel */
  int32_t shift;          /* of the requantization; some kernels have it as an immediate */
  int32_t offset;
  int32_t pair_bytes;     /* of the stream */
} tile_shape;

/* An odd last channel is left to last_pair(). */
static inline tile_shape shape_of(int32_t steps, int32_t channels, int32_t shift, int32_t offset) {
  const int32_t pair_bytes = 8 * (1 + steps + 1); /* biases, weights, multipliers */
  return (tile_shape){steps, channels / 2 * pair_bytes, channels, shift, offset, pair_bytes};
}

/* The last two of an odd number of channels, whose part of the stream follows the others'. */
static inline tile_shape last_pair(const tile_shape *shape) {
  tile_shape last = *shape;
  last.stream_bytes = shape->pair_bytes;
  return last;
}

static inline const int32_t *end_of(const int32_t *stream, const tile_shape *shape) {
  return (const int32_t *)((const char *)stream + shape->stream_bytes);
}

/* X and U of four activations at any address are stored as a pair; returns the place of the next
 * pixel's pair (8 bytes behind) or of the same pixel's next pair (a tile behind). STRD because the
 * compiler makes two stores of it. */
enum { FLIPPED = 0x00800080 };

static inline uint32_t flipped_word(const int8_t *x) {
  uint32_t word;
  memcpy(&word, x, sizeof word);
  return word ^ FLIPPED;
}

static inline int32_t *expand_word(const int8_t *x, int32_t *patch) {
  uint32_t crossed;
  __asm__ volatile("uxtb16 %1, %2, ror #16\n\tstrd %2, %1, [%0], #8"
                   : "+r"(patch), "=&r"(crossed)
                   : "r"(flipped_word(x))
                   : "memory");
  return patch;
}

/* Of four activations with the signs of the even ones flipped. */
static inline int32_t *store_in_tile(uint32_t flipped, int32_t *patch) {
  uint32_t crossed;
  __asm__ volatile("uxtb16 %1, %2, ror #16\n\tstrd %2, %1, [%0], #24"
                   : "+r"(patch), "=&r"(crossed)
                   : "r"(flipped)
                   : "memory");
  return patch;
}

static inline int32_t *expand_word_of_tile(const int8_t *x, int32_t *patch) {
  return store_in_tile(flipped_word(x), patch);
}

/* X and U of a single pixel, at least one word. */
static inline void expand(const int8_t *x, int32_t steps, int32_t *patch) {
  do {
    patch = expand_word(x, patch);
    x += STEP_INPUTS;
  } while (--steps != 0);
}

/* A whole tile: three pixels of `size` bytes, one after the other. */
static inline void expand_3(const int8_t *x, int32_t size, int32_t steps, int32_t *patch) {
  const int8_t *x1 = x + size;
  const int8_t *x2 = x1 + size;
  do {
    patch = expand_word(x, patch);
    patch = expand_word(x1, patch);
    patch = expand_word(x2, patch);
    x += STEP_INPUTS;
    x1 += STEP_INPUTS;
    x2 += STEP_INPUTS;
  } while (--steps != 0);
}

/* As expand, for one pixel of a tile, any number of words; returns where the next word goes. */
static inline int32_t *expand_run(const int8_t *x, int32_t words, int32_t *patch) {
  for (; words >= 4; words -= 4) {
    patch = expand_word_of_tile(x, patch);
    patch = expand_word_of_tile(x + STEP_INPUTS, patch);
    patch = expand_word_of_tile(x + 2 * STEP_INPUTS, patch);
    patch = expand_word_of_tile(x + 3 * STEP_INPUTS, patch);
    x += 4 * STEP_INPUTS;
  }
  for (; words > 0; words--) {
    patch = expand_word_of_tile(x, patch);
    x += STEP_INPUTS;
  }
  return patch;
}

/* `words` times the same four activations. */
static inline int32_t *expand_padding(uint32_t activations, int32_t words, int32_t *patch) {
  for (; words > 0; words--) {
    patch = expand_word_of_tile((const int8_t *)&activations, patch);
  }
  return patch;
}

/* From the layout of a tile to that of a single pixel. */
static inline void keep_first_pixel(int32_t *patch, int32_t steps) {
  for (int32_t step = 1; step < steps; step++) {
    patch[2 * step] = patch[2 * TILE_PIXELS * step];
    patch[2 * step + 1] = patch[2 * TILE_PIXELS * step + 1];
  }
}

#endif
