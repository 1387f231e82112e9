/* Receives frames: 0x00, COBS(body), 0x00 with body = type, sequence, payload, CRC-32. */
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

/* What has been decoded of the frame that is arriving. All zero is the state after reset. */
typedef struct {
  uint8_t body[PROTOCOL_MAX_BODY];
  uint16_t count;     /* decoded bytes in body */
  uint8_t block_left; /* bytes of the present COBS block that are still to come */
  bool zero_due;      /* that block stands for a zero after it, unless the frame ends there */
  bool too_long;
} frame_receiver;

/* `payload` points into the receiver and holds until its next byte. */
typedef struct {
  uint8_t type;
  uint8_t sequence;
  uint16_t payload_bytes;
  const uint8_t *payload;
} frame;

/* Takes one byte off the line. True when it ended a frame of good length and checksum, which is
 * then in *received; anything else on the line is dropped without a word. */
bool frame_receive(frame_receiver *receiver, uint8_t byte, frame *received);

#endif
