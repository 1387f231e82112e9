/* Numbers of the serial protocol; docs/protocol.md describes the messages. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_VERSION 1
#define PROTOCOL_MAX_PAYLOAD 1024

enum {
  PROTOCOL_HEADER_BYTES = 2, /* type, sequence */
  PROTOCOL_CRC_BYTES = 4,
  PROTOCOL_MAX_BODY = PROTOCOL_HEADER_BYTES + PROTOCOL_MAX_PAYLOAD + PROTOCOL_CRC_BYTES,
  PROTOCOL_FULL_BLOCK = 0xff, /* COBS length code of 254 bytes without a zero after them */
};

enum protocol_type {
  PROTOCOL_HELLO = 0x01,
  PROTOCOL_WRITE_INPUT = 0x02,
  PROTOCOL_INFER = 0x03,
  PROTOCOL_READ_OUTPUT = 0x04,
  PROTOCOL_RUN = 0x05,
  PROTOCOL_PROFILE = 0x06,
  PROTOCOL_CHECK = 0x07,
  PROTOCOL_GET_CLOCKS = 0x08,
  PROTOCOL_ACK = 0x80,
  PROTOCOL_INFO = 0x81,
  PROTOCOL_INFERRED = 0x83,
  PROTOCOL_OUTPUT = 0x84,
  PROTOCOL_SAMPLE = 0x85,
  PROTOCOL_RUN_DONE = 0x86,
  PROTOCOL_STEP_TICKS = 0x87,
  PROTOCOL_STEP_CRC = 0x88,
  PROTOCOL_DONE = 0x89,
  PROTOCOL_CLOCKS = 0x8a,
  PROTOCOL_ERROR = 0xff,
};

enum protocol_error {
  PROTOCOL_UNKNOWN_REQUEST = 1,
  PROTOCOL_BAD_LENGTH = 2,
  PROTOCOL_OUT_OF_RANGE = 3,
  PROTOCOL_RUNTIME_FAILED = 4,
};

static inline uint16_t protocol_read_u16(const uint8_t *bytes) {
  return (uint16_t)(bytes[0] | (bytes[1] << 8));
}

static inline uint32_t protocol_read_u32(const uint8_t *bytes) {
  return protocol_read_u16(bytes) | ((uint32_t)protocol_read_u16(bytes + 2) << 16);
}

#endif
