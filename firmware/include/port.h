/* What the benchmark core needs of a board. A port is a folder that implements this. */
#ifndef PORT_H
#define PORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The board id used everywhere: "host", "nano33ble_sim", ... A build defines it as BOARD_ID, since
 * several boards may share a port. */
const char *port_name(void);

/* Serial line and counter ready to use. */
void port_init(void);

/* Blocks until the bytes are handed to the line. */
void port_write(const uint8_t *bytes, size_t count);

/* The next received byte, or -1 where none waits. */
int port_read(void);

/* A free-running counter that wraps at 2^32; only differences mean something. */
uint32_t port_counter(void);

/* Ticks of the counter per second. */
uint32_t port_counter_hz(void);

/* A second clock to check the counter against, where the board has one; it wraps at 2^32 too. A port
 * without one leaves both functions out. */
uint32_t port_reference_counter(void);

/* Its ticks per second; 0 where there is none. */
uint32_t port_reference_counter_hz(void);

/* Ends the program where that means something (emulator, host); otherwise stops for good. */
void port_halt(int status);

/* Of the core: greets, then answers requests for ever. Called once, by main() or by a port that has
 * an entry of its own. */
void firmware_main(void);

#ifdef __cplusplus
}
#endif

#endif
