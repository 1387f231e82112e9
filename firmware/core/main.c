/* The program's entry where the port leaves it to us. An Arduino core brings its own main() and calls
 * the port's setup(), so that its builds leave this file out. */
#include "port.h"

int main(void) { firmware_main(); }
