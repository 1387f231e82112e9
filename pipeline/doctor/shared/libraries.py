"""Arduino libraries that carry TensorFlow Lite Micro."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """TFLM as a board or a project builds it.

    Attributes:
        name: as a `lib_deps` has it, or in words.
        year: of its TFLM sources, at the latest.
    """

    name: str
    year: int


# The last releases of all of these are from before TFLM took per-channel dense layers.
LIBRARIES = (
    Library("Chirale_TensorFLowLite", 2023),
    Library("Arduino_TensorFlowLite", 2023),
    Library("tflite-micro-arduino-examples", 2023),
    Library("TensorFlowLite_ESP32", 2023),
)


def library_of_board(year: int) -> Library:
    """What `platformio.ini` gives the tflm runtime of a board with this `tflm_year`."""
    return Library("the board's library", year)


def library_named(text: str) -> Library | None:
    """The library that a dependency such as "owner/name@1.2.3" or an include means."""
    lowered = text.lower()
    return next((known for known in LIBRARIES if known.name.lower() in lowered), None)
