#include "frame.h"

#include <stddef.h>

#include "crc32.h"

static void append(frame_receiver *receiver, uint8_t byte) {
  if (receiver->count == PROTOCOL_MAX_BODY) {
    receiver->too_long = true;
    return;
  }
  receiver->body[receiver->count++] = byte;
}

static bool is_valid(const frame_receiver *receiver) {
  if (receiver->too_long || receiver->block_left != 0 ||
      receiver->count < PROTOCOL_HEADER_BYTES + PROTOCOL_CRC_BYTES) {
    return false;
  }
  const size_t checked = (size_t)receiver->count - PROTOCOL_CRC_BYTES;
  return crc32(0, receiver->body, checked) == protocol_read_u32(receiver->body + checked);
}

static bool finish(frame_receiver *receiver, frame *received) {
  const bool valid = is_valid(receiver);
  if (valid) {
    received->type = receiver->body[0];
    received->sequence = receiver->body[1];
    received->payload = receiver->body + PROTOCOL_HEADER_BYTES;
    received->payload_bytes =
        (uint16_t)(receiver->count - PROTOCOL_HEADER_BYTES - PROTOCOL_CRC_BYTES);
  }
  receiver->count = 0;
  receiver->block_left = 0;
  receiver->zero_due = false;
  receiver->too_long = false;
  return valid;
}

bool frame_receive(frame_receiver *receiver, uint8_t byte, frame *received) {
  if (byte == 0) {
    return finish(receiver, received);
  }
  if (receiver->block_left > 0) {
    append(receiver, byte);
    receiver->block_left--;
    return false;
  }
  if (receiver->zero_due) {
    append(receiver, 0);
  }
  receiver->block_left = (uint8_t)(byte - 1);
  receiver->zero_due = byte != PROTOCOL_FULL_BLOCK;
  return false;
}
