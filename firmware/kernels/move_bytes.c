#include "move_bytes.h"

#include <string.h>

static uint32_t load(const int8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

static void store(int8_t *bytes, uint32_t word) { memcpy(bytes, &word, sizeof word); }

void move_bytes(const move_bytes_params *params, const int8_t *input, int8_t *output) {
  const int32_t count = params->count;
  int32_t i = 0;
  /* All four words are read before the first is written: the blocks may overlap. */
  for (; i + 16 <= count; i += 16) {
    const uint32_t word0 = load(input + i);
    const uint32_t word1 = load(input + i + 4);
    const uint32_t word2 = load(input + i + 8);
    const uint32_t word3 = load(input + i + 12);
    store(output + i, word0);
    store(output + i + 4, word1);
    store(output + i + 8, word2);
    store(output + i + 12, word3);
  }
  for (; i < count; i++) {
    output[i] = input[i];
  }
}
