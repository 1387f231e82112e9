/* CRC-32 as zlib and Ethernet compute it: polynomial 0x04c11db7, bits reflected, inverted before
 * and after. */
#ifndef CRC32_H
#define CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Start with 0; pass the result on to continue over more bytes. */
uint32_t crc32(uint32_t crc, const void *bytes, size_t count);

#endif
