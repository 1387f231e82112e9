"""TFLM's interpreter, which every output is compared with."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject

_ID = "golden-reference"


def _look(subject: Subject) -> Iterator[Finding]:
    if not subject.machine.tflm_interpreter and subject.project is None:
        yield Finding(
            _ID,
            "warning",
            "TFLM's interpreter (PyPI tflite-micro) is not installed",
            "outputs cannot be compared, and the tflm runtime's golden data cannot be made",
            "it exists for x86-64 Linux only: benchmark and validate there",
        )


register(Check(_ID, "TFLM's interpreter that outputs are compared with", _look))
