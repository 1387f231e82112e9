"""Models of the shapes that microcontrollers run, and what the aot runtime makes of them."""
