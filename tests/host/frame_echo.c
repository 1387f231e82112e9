/* Feeds stdin to the firmware's frame receiver and sends every frame it accepts back. */
#include <stdio.h>
#include <stdlib.h>

#include "frame.h"
#include "port.h"
#include "reply.h"

void port_write(const uint8_t *bytes, size_t count) {
  if (fwrite(bytes, 1, count, stdout) != count) {
    abort();
  }
}

int main(void) {
  static frame_receiver receiver;
  frame received;
  int byte;
  while ((byte = getchar()) != EOF) {
    if (frame_receive(&receiver, (uint8_t)byte, &received)) {
      reply_to(received.sequence);
      reply_begin(received.type);
      reply_bytes(received.payload, received.payload_bytes);
      reply_end();
    }
  }
  return 0;
}
