"""An instrument inside QEMU: exact instructions, missed flash lines and estimated cycles of one
inference.

It is a plugin of QEMU's (plugin.c), built with the host's compiler on first use.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pipeline.boards import Board, CoreTimings, InstructionCosts
from pipeline.data import user_cache_folder
from pipeline.device import Device, ProcessLink, TimeLimits
from pipeline.errors import DeviceError, ToolError

_SOURCE = Path(__file__).with_name("plugin.c")
_COMPILER = "gcc"
_COMPILE = ("-std=c11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden")
_COMPILE_LIMIT_S = 60
# The firmware calls it right before and right after everything that it times.
_MARKER = "benchmark_counter"
# Some 50 million instructions a second, a sixth of what QEMU does without the plugin.
_LIMITS = TimeLimits(inference_s=300.0)
# Inferences that fill the cache before the one that counts.
_WARMUPS = 1
# What Espressif's linker scripts put into flash, less the functions that ask for RAM.
_IN_FLASH = (".text", ".rodata")


@dataclass(frozen=True)
class Execution:
    """One inference, counted.

    The counts are from one reading of the firmware's counter to the next: with the reading itself,
    some ten instructions.

    Attributes:
        instructions: exact.
        cycles: by the method of the board's estimate.
        missed_lines: of the flash cache that an inference before has filled; None where the
            method has no cache.
        step_instructions: of every step of another inference, through the step hook.
        step_cycles: likewise.
    """

    instructions: int
    cycles: int
    missed_lines: int | None
    step_instructions: tuple[int, ...]
    step_cycles: tuple[int, ...]


def count_execution(board: Board, elf: Path, model_sha256: str, data: bytes) -> Execution | None:
    """Runs three inferences under the instrument.

    Args:
        board: emulated; one that states no [estimate] gives None.
        data: all inputs end to end in the model's order.

    Returns:
        None where there is no host compiler, or the emulator takes no plugins.
    """
    if board.emulator is None or board.estimate is None:
        return None
    library = plugin_library(user_cache_folder())
    if library is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        # QEMU reads a comma as the end of a value; neither path has one by our doing.
        output = Path(folder) / "marks"
        marker = symbol_address(elf, _MARKER)
        method = board.estimate.method
        plugin = f"file={library},marker={marker:#x},output={output}{_counted(method, elf)}"
        command = [*board.emulator.arguments(elf.resolve()), "-plugin", plugin]
        try:
            with Device(ProcessLink(command), model_sha256=model_sha256, limits=_LIMITS) as device:
                device.write_input(data)
                device.run(_WARMUPS, 1)
                steps = len(device.profile())
        except (DeviceError, ToolError):
            # The same image ran without the plugin: this QEMU was built without plugins.
            return None
        return _execution(output.read_text(encoding="ascii"), steps, method)


def _counted(method: CoreTimings | InstructionCosts, elf: Path) -> str:
    """The plugin's argument for what it is to count beside instructions, after a comma."""
    if isinstance(method, CoreTimings):
        return f",core={method.core}"
    if method.cache is None:
        return ""
    first, end = flash_range(elf)
    cache = method.cache
    return f",cache={first:#x}:{end:#x}:{cache.size_bytes}:{cache.ways}:{cache.line_bytes}"


def plugin_library(cache: Path) -> Path | None:
    """The built plugin; None where it cannot be built."""
    source = _SOURCE.read_bytes()
    digest = hashlib.sha256(source + " ".join(_COMPILE).encode()).hexdigest()[:16]
    library = cache / f"qemu-plugin-{digest}.so"
    if library.is_file():
        return library
    if shutil.which(_COMPILER) is None:
        return None
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Built beside and renamed: another process may be doing the same.
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            built = Path(folder) / library.name
            subprocess.run(
                [_COMPILER, *_COMPILE, str(_SOURCE), "-o", str(built)],
                check=True,
                capture_output=True,
                timeout=_COMPILE_LIMIT_S,
            )
            built.replace(library)
    except (OSError, subprocess.SubprocessError):
        return None
    return library


def symbol_address(elf: Path, name: str) -> int:
    """Address of a function, without Thumb's mode bit.

    Raises:
        ToolError: the image has no such symbol.
    """
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with elf.open("rb") as stream:
        symbols = ELFFile(stream).get_section_by_name(".symtab")
        found = (
            symbols.get_symbol_by_name(name) if isinstance(symbols, SymbolTableSection) else None
        )
    if not found:
        raise ToolError(f"benchmark: {elf} has no symbol {name}")
    address: int = found[0].entry.st_value
    return address & ~1


def flash_range(elf: Path) -> tuple[int, int]:
    """First address and end of what an ESP32 would hold in flash and read through its cache."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        sections = [s.header for s in ELFFile(stream).iter_sections() if s.name in _IN_FLASH]
    return (
        min(header.sh_addr for header in sections),
        max(header.sh_addr + header.sh_size for header in sections),
    )


def _execution(marks: str, steps: int, method: CoreTimings | InstructionCosts) -> Execution:
    """Marks: two of every inference, then one where the steps begin and two after every step."""
    readings = [tuple(map(int, line.split())) for line in marks.splitlines()]
    inferences = 2 * (_WARMUPS + 1)
    assert len(readings) == inferences + 1 + 2 * steps, "the counter was read at another moment"
    inference = _difference(readings[inferences - 2 : inferences])
    has_cache = isinstance(method, InstructionCosts) and method.cache is not None
    # After a step the counter is read for its end, then once more for the next one's beginning.
    each = [_difference(ends) for ends in pairwise(readings[inferences:])][::2]
    return Execution(
        instructions=inference.instructions,
        cycles=inference.cycles(method),
        missed_lines=inference.missed_lines if has_cache else None,
        step_instructions=tuple(step.instructions for step in each),
        step_cycles=tuple(step.cycles(method) for step in each),
    )


@dataclass(frozen=True)
class _Counts:
    """Between two marks, in the order of the plugin's columns."""

    instructions: int
    core_cycles: int
    missed_lines: int

    def cycles(self, method: CoreTimings | InstructionCosts) -> int:
        if isinstance(method, CoreTimings):
            return self.core_cycles
        return method.cycles(self.instructions, self.missed_lines)


def _difference(ends: Sequence[tuple[int, ...]]) -> _Counts:
    before, after = ends
    return _Counts(*(late - early for early, late in zip(before, after, strict=True)))
