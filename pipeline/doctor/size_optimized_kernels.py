"""Kernels in plain C or C++ that are compiled for size, as Arduino's cores do unless told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject

_ID = "os-reference-kernels"
_FOR_SPEED = re.compile(r"-O(?:2|3|fast)\b")
_REFERENCE = re.compile(r"tensorflow/lite/micro/kernels/(?:conv|depthwise_conv)\.(?:cc|cpp)$")
_MADE_FOR_CORES = re.compile(r"/kernels/(?:cmsis_nn|esp_nn)/")


def _look(subject: Subject) -> Iterator[Finding]:
    project = subject.project
    if project is None:
        flags, place = subject.machine.build_flags, "platformio.ini of mcu-pipeline"
        plain = subject.runtime == "aot" and subject.board.kind == "board"
    else:
        flags, place = project.settings.get("build_flags", ""), str(project.path)
        files = (*project.sources, *project.libraries)
        plain = any(_REFERENCE.search(name) for name in files) and not any(
            _MADE_FOR_CORES.search(name) for name in files
        )
    added = flags.partition(" -U ")[0]
    if plain and not _FOR_SPEED.search(added):
        yield Finding(
            _ID,
            "warning",
            f"{place}: kernels in plain C++ are compiled with the framework's -Os",
            "-Os neither inlines nor unrolls inner loops: TFLM's reference kernels become up to 5 "
            "times slower, aot's take 27 % more instructions on RV32IMC",
            "build_unflags = -Os and build_flags = -O2, or a library with CMSIS-NN or ESP-NN",
        )


register(Check(_ID, "reference kernels compiled with -Os", _look))
