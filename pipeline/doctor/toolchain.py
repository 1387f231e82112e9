"""Compiler, PlatformIO's packages and emulator of the board."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject

_ID = "toolchain"


def _look(subject: Subject) -> Iterator[Finding]:
    if subject.project is not None:
        return  # its own environment says what it needs
    machine, board = subject.machine, subject.board
    toolchain = machine.toolchain
    if toolchain is not None and toolchain.compiler not in machine.programs:
        yield Finding(
            _ID,
            "error",
            f"{toolchain.compiler} is not on PATH",
            f"nothing can be built for {board.id}",
            f"apt install {toolchain.packages}",
        )
    if board.kind == "emulated" and board.emulator is not None:
        emulator = board.emulator.command[0]
        if emulator not in machine.programs:
            yield Finding(
                _ID,
                "warning",
                f"{emulator} is not on PATH",
                f"{board.id} can be built, not run",
                "make setup, or tools/setup.sh emulators",
            )
    if machine.missing_packages:
        yield Finding(
            _ID,
            "warning",
            f"{' and '.join(machine.missing_packages)}: not installed",
            f"PlatformIO downloads it with the first build for {board.id}, which takes minutes and "
            "a network",
            "nothing, with a network; without one take an emulated board and --runtime aot",
        )


register(Check(_ID, "a compiler, emulator or PlatformIO package that is not installed", _look))
