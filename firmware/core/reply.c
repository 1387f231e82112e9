#include "reply.h"

#include <string.h>

#include "crc32.h"
#include "port.h"

enum { BUFFER_BYTES = 512 };

/* COBS blocks that wait to be written: short replies leave in one piece. */
static struct {
  uint8_t bytes[BUFFER_BYTES];
  size_t count;
  size_t block; /* where the open block's length code stands */
  uint32_t crc;
  uint8_t sequence;
} sender;

static void flush(void) {
  port_write(sender.bytes, sender.count);
  sender.count = 0;
}

static void open_block(void) {
  sender.block = sender.count;
  sender.bytes[sender.count++] = 0;
}

static void close_block(void) {
  sender.bytes[sender.block] = (uint8_t)(sender.count - sender.block);
}

static void encode(uint8_t byte) {
  if (byte != 0) {
    sender.bytes[sender.count++] = byte;
  }
  if (byte == 0 || sender.count - sender.block == PROTOCOL_FULL_BLOCK) {
    close_block();
    /* A full block and the final delimiter must still fit. */
    if (sender.count > BUFFER_BYTES - PROTOCOL_FULL_BLOCK - 1) {
      flush();
    }
    open_block();
  }
}

void reply_to(uint8_t sequence) { sender.sequence = sequence; }

void reply_begin(enum protocol_type type) {
  sender.crc = 0;
  sender.count = 0;
  sender.bytes[sender.count++] = 0;
  open_block();
  reply_u8((uint8_t)type);
  reply_u8(sender.sequence);
}

void reply_bytes(const void *bytes, size_t count) {
  const uint8_t *next = bytes;
  sender.crc = crc32(sender.crc, bytes, count);
  while (count-- > 0) {
    encode(*next++);
  }
}

static void reply_little_endian(uint64_t value, size_t count) {
  uint8_t bytes[sizeof value];
  for (size_t i = 0; i < count; i++) {
    bytes[i] = (uint8_t)(value >> (8 * i));
  }
  reply_bytes(bytes, count);
}

void reply_u8(uint8_t value) { reply_little_endian(value, 1); }
void reply_u16(uint16_t value) { reply_little_endian(value, 2); }
void reply_u32(uint32_t value) { reply_little_endian(value, 4); }
void reply_u64(uint64_t value) { reply_little_endian(value, 8); }
void reply_string(const char *text) { reply_bytes(text, strlen(text) + 1); }

void reply_end(void) {
  reply_u32(sender.crc);
  close_block();
  sender.bytes[sender.count++] = 0;
  flush();
}

void reply_error(enum protocol_error code, const char *text) {
  reply_begin(PROTOCOL_ERROR);
  reply_u8((uint8_t)code);
  reply_bytes(text, strlen(text));
  reply_end();
}
