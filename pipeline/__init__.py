"""From a Keras model to a microcontroller and back to a latency report."""

__version__ = "0.1.0"
