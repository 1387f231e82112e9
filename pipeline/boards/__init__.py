"""Boards as data: one TOML file each, named by the board's id, that holds facts only."""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from pipeline.errors import PipelineError, UsageError

BoardKind = Literal["board", "emulated", "host"]
CounterUnit = Literal["instructions", "time"]
SerialLink = Literal["stdio", "tcp"]
InstructionTimings = Literal["cortex-m4"]

_FOLDER = Path(__file__).resolve().parent
_USB_ID = re.compile("[0-9a-f]{4}:[0-9a-f]{4}")


@dataclass(frozen=True)
class Counter:
    """What the ticks of `port_counter()` mean.

    Attributes:
        unit: "instructions" where a tick is a fixed share of an instruction (emulators), "time"
            where only the rate that the device reports turns ticks into seconds.
        ticks_per_instruction: for unit "instructions"; None for "time".
    """

    unit: CounterUnit
    ticks_per_instruction: float | None = None

    def instructions(self, ticks: int) -> int | None:
        """Instructions executed during `ticks`, to the nearest one; None where the unit is time."""
        if self.ticks_per_instruction is None:
            return None
        return round(ticks / self.ticks_per_instruction)


@dataclass(frozen=True)
class Emulator:
    """How the firmware runs on this computer.

    Attributes:
        command: program and arguments; `{elf}` is the image and `{port}` a TCP port to listen on.
        serial: where the firmware's serial line ends: the process's stdin and stdout, or that port.
    """

    command: tuple[str, ...]
    serial: SerialLink

    def arguments(self, elf: Path, port: int | None = None) -> list[str]:
        """The command with its placeholders filled in."""
        return [
            part.replace("{elf}", str(elf)).replace("{port}", str(port)) for part in self.command
        ]


@dataclass(frozen=True)
class SerialPort:
    """The line of a board that is connected to this computer.

    Attributes:
        baud: bits per second, where the line has any.
        usb_ids: "vendor:product" of every USB device that may be this board, four lower-case
            hexadecimal digits each.
    """

    baud: int
    usb_ids: tuple[str, ...]


@dataclass(frozen=True)
class CoreTimings:
    """Cycles at zero wait states by published instruction timings.

    Attributes:
        core: whose timings they are.
        factor: milliseconds on the board / (these cycles / clock).
    """

    core: InstructionTimings
    factor: float


@dataclass(frozen=True)
class FlashCache:
    """A cache of instructions and constants in external flash, least recently used line replaced.

    Attributes:
        size_bytes: of one processor's cache, a multiple of `ways * line_bytes`.
        ways: lines that a set holds.
        line_bytes: what a miss brings in.
        cycles_per_miss: of the processor.
    """

    size_bytes: int
    ways: int
    line_bytes: int
    cycles_per_miss: float


@dataclass(frozen=True)
class InstructionCosts:
    """Cycles of a processor with its flash, fitted to measurements.

    Attributes:
        cycles_per_instruction: without the misses of `cache`.
        cache: whose misses are counted; None where the cycles per instruction have them in.
    """

    cycles_per_instruction: float
    cache: FlashCache | None

    def cycles(self, instructions: int, missed_lines: int) -> int:
        """To the nearest one."""
        missing = 0.0 if self.cache is None else self.cache.cycles_per_miss * missed_lines
        return round(self.cycles_per_instruction * instructions + missing)


@dataclass(frozen=True)
class Estimate:
    """How the latency of the real board is estimated from emulated execution.

    Attributes:
        method: what the cycles come from.
        error_percent: either way.
        basis: what it was calibrated on, and what it does not cover, for people.
    """

    method: CoreTimings | InstructionCosts
    error_percent: float
    basis: str


@dataclass(frozen=True)
class Board:
    """One target.

    Attributes:
        id: used everywhere: TOML, test ids, reports, `port_name()`.
        title: for people.
        kind: "board" (measured), "emulated" (instructions counted) or "host".
        core: processor core, lower case.
        clock_mhz: core clock of the real board; None for the host.
        flash_bytes: program memory the linker may fill; None for the host.
        ram_bytes: data memory the linker may fill; None for the host.
        static_ram_bytes: the part of it that static variables may take, where that is less; the
            rest is heap. None where all of it.
        port: folder under `firmware/ports`.
        default_runtime: a key of `runtimes`.
        runtimes: runtime id -> PlatformIO environment.
        interpreted_runtime: id of one more runtime that needs no firmware: TFLM's own interpreter
            on this computer; None for every board but the host.
        tflm_year: of the TFLM sources in the library that the tflm runtime is built with; None
            where it is not built.
        counter: meaning of the port's ticks.
        emulator: None for a board on a serial port.
        serial: None for what runs on this computer.
        flash_cache: what the processor reads program memory through; None where reading it costs
            nothing beyond instructions, or what it costs is not known.
        estimate: None where no latency is estimated.
    """

    id: str
    title: str
    kind: BoardKind
    core: str
    clock_mhz: float | None
    flash_bytes: int | None
    ram_bytes: int | None
    static_ram_bytes: int | None
    port: str
    default_runtime: str
    runtimes: Mapping[str, str]
    interpreted_runtime: str | None
    tflm_year: int | None
    counter: Counter
    emulator: Emulator | None
    serial: SerialPort | None
    flash_cache: FlashCache | None
    estimate: Estimate | None

    def estimated_ms(self, cycles: int | None) -> float | None:
        """Latency from the cycles of the estimate's method; None where there is no estimate."""
        if cycles is None or self.estimate is None or self.clock_mhz is None:
            return None
        method = self.estimate.method
        factor = method.factor if isinstance(method, CoreTimings) else 1
        return round(cycles / (self.clock_mhz * 1000) * factor, 3)

    @property
    def runtime_ids(self) -> tuple[str, ...]:
        """All runtimes, with and without firmware."""
        interpreted = self.interpreted_runtime
        return (*self.runtimes, *(() if interpreted is None else (interpreted,)))

    def require_runtime(self, runtime: str) -> None:
        """Raises UsageError where the board has no such runtime."""
        if runtime not in self.runtime_ids:
            raise UsageError(
                f"board {self.id} has no runtime {runtime!r}",
                f"it has {', '.join(self.runtime_ids)}",
            )

    def environment(self, runtime: str) -> str:
        """PlatformIO environment that builds `runtime` for this board.

        Raises:
            PipelineError: the board has no such runtime, or needs no firmware for it.
        """
        self.require_runtime(runtime)
        if runtime not in self.runtimes:
            raise PipelineError(f"board {self.id} runs {runtime} without firmware")
        return self.runtimes[runtime]


class _Table:
    """Reads typed values from one TOML table and refuses what is missing, mistyped or unknown."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = dict(values)
        self._where = where

    def take(self, key: str, kinds: type | tuple[type, ...], required: bool = True) -> Any:
        value = self._values.pop(key, None)
        if value is None and not required:
            return None
        # bool is an int to Python; no board fact is a boolean.
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise PipelineError(f"{self._where}: {key} is missing or has a value of the wrong type")
        return value

    def positive(self, key: str, kinds: type | tuple[type, ...], required: bool = True) -> Any:
        value = self.take(key, kinds, required)
        if value is not None and not 0 < value < 2**40:
            raise PipelineError(f"{self._where}: {key} = {value} is not a positive size or rate")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> Any:
        value = self.take(key, str)
        if value not in allowed:
            raise PipelineError(f"{self._where}: {key} = {value!r} is none of {', '.join(allowed)}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list)
        if not values or not all(isinstance(value, str) for value in values):
            raise PipelineError(f"{self._where}: {key} is not a list of strings")
        return tuple(values)

    def end(self) -> None:
        if self._values:
            raise PipelineError(f"{self._where}: unknown key {min(self._values)!r}")


def _parse_counter(values: Mapping[str, Any], where: str) -> Counter:
    table = _Table(values, where)
    unit = table.choice("unit", get_args(CounterUnit))
    per_instruction = table.positive(
        "ticks_per_instruction", (int, float), required=unit == "instructions"
    )
    table.end()
    return Counter(unit, per_instruction if unit == "instructions" else None)


def _parse_emulator(values: Mapping[str, Any], where: str) -> Emulator:
    table = _Table(values, where)
    emulator = Emulator(table.strings("command"), table.choice("serial", get_args(SerialLink)))
    table.end()
    return emulator


def _parse_serial(values: Mapping[str, Any], where: str) -> SerialPort:
    table = _Table(values, where)
    serial = SerialPort(table.positive("baud", int), table.strings("usb_ids"))
    table.end()
    for usb_id in serial.usb_ids:
        if not _USB_ID.fullmatch(usb_id):
            raise PipelineError(f"{where}: usb_ids has {usb_id!r}, not like '2341:805a'")
    return serial


def _parse_estimate(values: Mapping[str, Any], where: str, cache: FlashCache | None) -> Estimate:
    table = _Table(values, where)
    method: CoreTimings | InstructionCosts
    if "timings" in values:
        method = CoreTimings(
            table.choice("timings", get_args(InstructionTimings)),
            table.positive("factor", (int, float)),
        )
    else:
        method = InstructionCosts(
            table.positive("cycles_per_instruction", (int, float)),
            cache,
        )
    estimate = Estimate(
        method, table.positive("error_percent", (int, float)), table.take("basis", str)
    )
    table.end()
    return estimate


def _parse_cache(values: Mapping[str, Any], where: str) -> FlashCache:
    table = _Table(values, where)
    size, ways, line = (table.positive(key, int) for key in ("size_bytes", "ways", "line_bytes"))
    cycles = table.positive("cycles_per_miss", (int, float))
    table.end()
    if size % (ways * line):
        raise PipelineError(f"{where}: size_bytes = {size} is no multiple of {ways} x {line} bytes")
    return FlashCache(size, ways, line, cycles)


def parse_board(text: str, board_id: str) -> Board:
    """A board from the text of its TOML file.

    Raises:
        PipelineError: the text is no TOML, or a key is missing, unknown or has a bad value.
    """
    where = f"board {board_id}"
    try:
        table = _Table(tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise PipelineError(f"{where}: {error}") from error
    except RecursionError:
        raise PipelineError(f"{where}: values are nested too deep") from None
    kind = table.choice("kind", get_args(BoardKind))
    on_chip = kind != "host"
    runtimes = table.take("runtimes", dict)
    default_runtime = table.choice("default_runtime", tuple(runtimes))
    runtime_table = _Table(runtimes, f"{where} [runtimes]")
    emulator = table.take("emulator", dict, required=kind != "board")
    serial = table.take("serial", dict, required=kind == "board")
    cache = table.take("flash_cache", dict, required=False)
    flash_cache = None if cache is None else _parse_cache(cache, f"{where} [flash_cache]")
    estimate = table.take("estimate", dict, required=False)
    board = Board(
        id=board_id,
        title=table.take("title", str),
        kind=kind,
        core=table.take("core", str),
        clock_mhz=table.positive("clock_mhz", (int, float), required=on_chip),
        flash_bytes=table.positive("flash_bytes", int, required=on_chip),
        ram_bytes=table.positive("ram_bytes", int, required=on_chip),
        static_ram_bytes=table.positive("static_ram_bytes", int, required=False),
        port=table.take("port", str),
        default_runtime=default_runtime,
        runtimes=MappingProxyType({name: runtime_table.take(name, str) for name in runtimes}),
        interpreted_runtime=table.take("interpreted_runtime", str, required=False),
        tflm_year=table.positive("tflm_year", int, required="tflm" in runtimes),
        counter=_parse_counter(table.take("counter", dict), f"{where} [counter]"),
        emulator=None if emulator is None else _parse_emulator(emulator, f"{where} [emulator]"),
        serial=None if serial is None else _parse_serial(serial, f"{where} [serial]"),
        flash_cache=flash_cache,
        estimate=(
            None
            if estimate is None
            else _parse_estimate(estimate, f"{where} [estimate]", flash_cache)
        ),
    )
    table.end()
    return board


def read_board(path: Path) -> Board:
    """A board from its TOML file, which its id names. Raises PipelineError as `parse_board`."""
    try:
        return parse_board(path.read_text(encoding="utf-8"), path.stem)
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"board {path.stem}: {path} cannot be read: {error}") from error


@functools.cache
def boards() -> tuple[Board, ...]:
    """All boards, in alphabetical order of their ids."""
    return tuple(read_board(path) for path in sorted(_FOLDER.glob("*.toml")))


def board(board_id: str) -> Board:
    """The board with this id.

    Raises:
        PipelineError: there is none; names the nearest id.
    """
    known = {candidate.id: candidate for candidate in boards()}
    if board_id in known:
        return known[board_id]
    near = difflib.get_close_matches(board_id, known, n=1, cutoff=0.4)
    remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise PipelineError(f"board {board_id!r} is unknown", remedy)
