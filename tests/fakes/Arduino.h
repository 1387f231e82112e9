// What our ports and exported sketches use of Arduino: see docs/decisions/0005-declared-libraries.md.
#pragma once
#include <stddef.h>
#include <stdint.h>

// As the mbed core has it: it breaks any later header that says abs.
#define abs(x) ((x) > 0 ? (x) : -(x))

unsigned long millis();
unsigned long micros();
void delay(unsigned long ms);
void setup();
void loop();

class Stream {
 public:
  void begin(unsigned long baud);
  operator bool();
  size_t write(const uint8_t *bytes, size_t count);
  int read();
  size_t print(const char *text);
  size_t print(char character);
  size_t print(int value);
  size_t print(unsigned long value);
  size_t print(double value, int digits);
  size_t println();
  size_t println(const char *text);
  size_t setRxBufferSize(size_t bytes);
};
extern Stream Serial;

// Of the ESP32's core.
class EspClass {
 public:
  uint32_t getCycleCount();
  uint32_t getCpuFreqMHz();
};
extern EspClass ESP;
