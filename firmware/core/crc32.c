#include "crc32.h"

/* CRC of the numbers 0..15: four bits at a time cost 64 bytes of flash, where the usual table for
 * eight bits costs 1,024. */
static const uint32_t crc_of_nibble[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t crc32(uint32_t crc, const void *bytes, size_t count) {
  const uint8_t *next = bytes;
  crc = ~crc;
  while (count-- > 0) {
    crc ^= *next++;
    crc = (crc >> 4) ^ crc_of_nibble[crc & 0xf];
    crc = (crc >> 4) ^ crc_of_nibble[crc & 0xf];
  }
  return ~crc;
}
