/* Sends frames. A reply is encoded while it is sent and needs no buffer for the whole:
 * reply_begin, the parts of the payload in order, reply_end. */
#ifndef REPLY_H
#define REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

/* The sequence number of the request that all following replies answer. */
void reply_to(uint8_t sequence);

void reply_begin(enum protocol_type type);
void reply_u8(uint8_t value);
void reply_u16(uint16_t value);
void reply_u32(uint32_t value);
void reply_u64(uint64_t value);
void reply_bytes(const void *bytes, size_t count);
/* The characters and the final NUL. */
void reply_string(const char *text);
void reply_end(void);

/* A whole ERROR reply. */
void reply_error(enum protocol_error code, const char *text);

#endif
