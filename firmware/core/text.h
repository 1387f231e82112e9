/* Sends text. Waits for the end of a line or a full buffer, so that a line leaves in one piece. */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

void text_string(const char *text);

/* Without sign; zeros in front make it at least `digits` long, 1 to 10. */
void text_decimal(uint32_t value, uint32_t digits);

/* Two lower-case digits. */
void text_hex(uint8_t value);

#endif
