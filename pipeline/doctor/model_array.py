"""The C array that holds the .tflite: where it lies, and whether it is const."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.project import model_arrays
from pipeline.doctor.shared.subject import Subject

_ID = "model-array"
_LEAST_ALIGNMENT = 4  # of an int32 bias, and of TFLM's examples; the file itself asks for 16


def _look(subject: Subject) -> Iterator[Finding]:
    if subject.project is None:
        return
    for array in model_arrays(subject.project):
        if array.alignment < _LEAST_ALIGNMENT:
            yield Finding(
                _ID,
                "error",
                f"{array.place}: {array.name} has no alignment",
                "TFLM reads the file's int32 values in place, and the linker may put an array of "
                "bytes at any address: a fault or a crawl after an unrelated change",
                f"alignas(16) const unsigned char {array.name}[] = ...",
            )
        if not array.constant:
            yield Finding(
                _ID,
                "warning",
                f"{array.place}: {array.name} is not const",
                f"its {len(array.content):,} bytes are copied to RAM at start-up, beside the flash "
                "that they take anyway",
                f"alignas(16) const unsigned char {array.name}[] = ... (and const in its header)",
            )


register(Check(_ID, "a model's array without alignment, or not const", _look))
