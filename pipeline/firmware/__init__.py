"""Generated sources -> firmware image, through PlatformIO as a subprocess."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.boards import Board
from pipeline.device.process import ends_with_this_process
from pipeline.errors import DoesNotFitError, ToolError
from pipeline.firmware.link_map import InputSection, model_sections, parse_link_map
from pipeline.firmware.platformio_packages import package_folders, require_packages, takes_libraries
from pipeline.resources import project_dir

_ENDING_LIMIT_S = 3.0
_STACK_SECTION = ".stack"
# Reserves of linker scripts, and sections that only keep Espressif's address spaces apart.
_NO_DATA = re.compile(r"\.(?:stack|heap)|.*dummy$")
_OVERFLOW = re.compile(r"region `(?P<region>\w+)' overflowed by (?P<bytes>\d+) bytes")
# PlatformIO's own check, which knows a board's partition table.
_TOO_LARGE = re.compile(
    r"^Error: The program size \((?P<size>\d+) bytes\) is greater than maximum allowed "
    r"\((?P<limit>\d+) bytes\)$",
    re.MULTILINE,
)
_COMPILING = re.compile(r"^(?:Compiling|Linking) (?P<target>\S.*)$")
# In the order of preference: what a stage of ours says, then compiler, linker, PlatformIO.
_ERROR_LINES = (
    re.compile(r"^Error: (?P<text>.+)$", re.MULTILINE),
    re.compile(r"^(?P<text>(?!collect2:)\S.*: (?:fatal )?error: .+)$", re.MULTILINE),
    re.compile(r"^\S*/ld: (?P<text>(?!warning: ).+)$", re.MULTILINE),
    re.compile(r"^(?P<text>\w*(?:Error|Exception): .+)$", re.MULTILINE),
    re.compile(r"^(?P<text>.*No module named .+)$", re.MULTILINE),
)


@dataclass(frozen=True)
class Section:
    """One allocated section of the ELF file.

    Attributes:
        in_flash: its content is stored in the image.
        in_ram: it is writable and takes RAM at run time.
    """

    name: str
    address: int
    size_bytes: int
    in_flash: bool
    in_ram: bool


@dataclass(frozen=True)
class FirmwareImage:
    """A linked firmware.

    Attributes:
        elf: the linked file.
        bin: raw flash content; None for the host.
        flash_bytes: code, constants and initial values of variables (for the host: the bytes of
            the executable that are loaded).
        ram_bytes: .data and .bss, the arena among them; the stack that the linker script reserves
            is not counted, though it must fit too.
        stack_bytes: that reserve; 0 where the linker script makes none.
        code_bytes: machine code of runtime, kernels and generated model.
        const_bytes: read-only data of the same, with the weights. Both come from the link map and
            leave out port, core and C library.
        sections: all sections that take flash or RAM, by address.
    """

    elf: Path
    bin: Path | None
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    code_bytes: int
    const_bytes: int
    sections: tuple[Section, ...]


def build(
    generated_dir: Path,
    board: Board,
    runtime: str,
    build_dir: Path,
    progress: Callable[[str], None] | None = None,
) -> FirmwareImage:
    """Compiles the firmware with a generated model; unchanged sources are not compiled again.

    Args:
        generated_dir: the generated sources, `model_info.h` among them.
        build_dir: takes everything that is written (build tree, `build.log`); one build at a time.
        progress: called with the name of every file that is being compiled or linked.

    Raises:
        DoesNotFitError: the linker ran out of the board's flash or RAM.
        ToolError: PlatformIO or the compiler is missing or failed, and names the log; or what
            PlatformIO would have to download is out of reach.
        PipelineError: the board has no such runtime.
    """
    environment = board.environment(runtime)
    log = _platformio(environment, generated_dir, board, build_dir, "build.log", (), progress)
    tree = build_dir.resolve() / "build" / environment
    if log is not None:
        raise _failure(log, board, tree)
    image = read_image(tree)
    _require_fit(image, board)
    return image


def upload(
    generated_dir: Path,
    board: Board,
    runtime: str,
    build_dir: Path,
    port: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Writes the firmware of an earlier `build` with the same arguments into a connected board.

    Args:
        port: path of the board's serial port; None lets PlatformIO look for it.

    Raises:
        ToolError: as `build`, or no board took the firmware; the log is `upload.log`.
    """
    environment = board.environment(runtime)
    options = ("--target", "upload", *(() if port is None else ("--upload-port", port)))
    log = _platformio(environment, generated_dir, board, build_dir, "upload.log", options, progress)
    if log is not None:
        raise _failure(log, board, build_dir.resolve() / "build" / environment, "flash")


def _platformio(
    environment: str,
    generated_dir: Path,
    board: Board,
    build_dir: Path,
    log_name: str,
    options: tuple[str, ...],
    progress: Callable[[str], None] | None,
) -> Path | None:
    """Runs an environment's target; the log where that failed."""
    require_packages(environment, package_folders(os.environ))
    build_dir = build_dir.resolve()
    build_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "platformio", "run"]
    command += ["--project-dir", str(project_dir()), "--environment", environment, *options]
    variables = _environment_variables(board, environment, generated_dir.resolve(), build_dir)
    log = build_dir / log_name
    status = _run_logged(command, variables, build_dir, log, progress)
    return None if status == 0 else log


def read_image(tree: Path) -> FirmwareImage:
    """The image in a PlatformIO environment's build folder, measured.

    Raises:
        ToolError: the folder holds no linked firmware with its map.
    """
    elf, binary, link_map = (tree / f"firmware.{suffix}" for suffix in ("elf", "bin", "map"))
    if not (elf.is_file() and link_map.is_file()):
        raise ToolError(f"build: {tree} holds no firmware.elf with its firmware.map")
    sections = _sections(elf)
    model = model_sections(parse_link_map(link_map.read_text(encoding="utf-8")), tree)
    return FirmwareImage(
        elf=elf,
        bin=binary if binary.is_file() else None,
        flash_bytes=sum(s.size_bytes for s in sections if s.in_flash),
        ram_bytes=sum(s.size_bytes for s in sections if s.in_ram and not _NO_DATA.match(s.name)),
        stack_bytes=sum(s.size_bytes for s in sections if s.name == _STACK_SECTION),
        code_bytes=sum(s.size_bytes for s in model if s.is_code()),
        const_bytes=sum(s.size_bytes for s in model if s.is_const()),
        sections=sections,
    )


def _require_fit(image: FirmwareImage, board: Board) -> None:
    """The linker knows an emulated board's sizes; a vendor's linker script may know larger ones.

    Raises:
        DoesNotFitError: the image exceeds the board's flash or RAM.
    """
    for memory, used, available in (
        ("flash", image.flash_bytes, board.flash_bytes),
        ("RAM", image.ram_bytes, board.ram_bytes),
    ):
        if available is not None and used > available:
            raise DoesNotFitError(f"build: {_exceeds(memory, used, available, board)}")


def _sections(elf: Path) -> tuple[Section, ...]:
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as stream:
        headers = [(s.name, s.header) for s in ELFFile(stream).iter_sections()]
    return tuple(
        Section(
            name=name,
            address=header.sh_addr,
            size_bytes=header.sh_size,
            in_flash=header.sh_type != "SHT_NOBITS",
            in_ram=bool(header.sh_flags & SH_FLAGS.SHF_WRITE),
        )
        for name, header in sorted(headers, key=lambda item: item[1].sh_addr)
        if header.sh_flags & SH_FLAGS.SHF_ALLOC and header.sh_size > 0
    )


def _environment_variables(
    board: Board, environment: str, generated_dir: Path, build_dir: Path
) -> dict[str, str]:
    variables = dict(os.environ)
    libraries = package_folders(variables).libraries
    if board.kind != "board":
        # Such a build needs nothing that PlatformIO may have installed for this user, and must not
        # depend on it.
        variables = {k: v for k, v in variables.items() if not k.startswith("PLATFORMIO_")}
        variables["PLATFORMIO_CORE_DIR"] = str(build_dir / "core")
    if takes_libraries(environment):
        # Downloaded once, not for every run.
        variables["PLATFORMIO_LIBDEPS_DIR"] = str(libraries)
    return variables | {
        "MCU_PIPELINE_GENERATED": str(generated_dir),
        "MCU_PIPELINE_BOARD": board.id,
        "PLATFORMIO_WORKSPACE_DIR": str(build_dir),
        "PLATFORMIO_BUILD_DIR": str(build_dir / "build"),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        # Compiler messages are matched, so they must not be translated.
        "LC_ALL": "C.UTF-8",
        # platforms/ may lie in a read-only installation and must stay as it is.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _run_logged(
    command: list[str],
    variables: dict[str, str],
    folder: Path,
    log: Path,
    progress: Callable[[str], None] | None,
) -> int:
    """Exit status of a command whose output goes to `log`, line by line."""
    with (
        log.open("w", encoding="utf-8") as log_file,
        subprocess.Popen(
            ends_with_this_process(command),  # also where this one is killed
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                log_file.write(line)
                match = _COMPILING.match(line)
                if match and progress is not None:
                    progress(Path(match["target"].strip()).name)
        except BaseException:
            _end(process)
            raise
    return process.returncode


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a command with all that it started: its compilers would go on writing the build tree,
    which another command may have by then. At first by a signal that lets them remove what is
    half written."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING_LIMIT_S)
        os.killpg(process.pid, signal.SIGKILL)


def _failure(
    log: Path, board: Board, tree: Path, stage: str = "build"
) -> ToolError | DoesNotFitError:
    """The error that the log of a failed build or upload tells of."""
    text = log.read_text(encoding="utf-8")
    overflows = {match["region"]: int(match["bytes"]) for match in _OVERFLOW.finditer(text)}
    if overflows:
        link_map = tree / "firmware.map"
        sections = parse_link_map(link_map.read_text("utf-8")) if link_map.is_file() else ()
        parts = [_overflow(region, by, board, sections) for region, by in overflows.items()]
        return DoesNotFitError(f"{stage}: {'; '.join(parts)}")
    too_large = _TOO_LARGE.search(text)
    if too_large:
        size, limit = int(too_large["size"]), int(too_large["limit"])
        return DoesNotFitError(f"{stage}: {_exceeds('flash', size, limit, board)}")
    for pattern in _ERROR_LINES:
        match = pattern.search(text)
        if match:
            return ToolError(f"{stage}: {match['text'].rstrip('.')}", f"see {log}")
    return ToolError(f"{stage}: PlatformIO failed", f"see {log}")


def _overflow(region: str, by: int, board: Board, sections: Iterable[InputSection]) -> str:
    """By how much a linker region is too small, and what takes most of it."""
    in_ram = "ram" in region.lower()
    available = board.ram_bytes if in_ram else board.flash_bytes
    assert available is not None, "only boards with stated sizes have linker regions"
    if board.kind == "board":  # a vendor's script divides the memories its own way
        memory = "RAM" if in_ram else "flash"
        message = f"{memory}: {by:,} bytes too many for {board.id} (linker region {region})"
    else:
        memory = "RAM (with the stack reserve)" if in_ram else "flash"
        message = _exceeds(memory, available + by, available, board)
    candidates = [s for s in sections if (s.is_in_ram() if in_ram else s.is_stored())]
    if not candidates:
        return message
    largest = max(candidates, key=lambda section: section.size_bytes)
    return f"{message} (largest: {largest.symbol} with {largest.size_bytes:,})"


def _exceeds(memory: str, used: int, available: int, board: Board) -> str:
    by = used - available
    return f"{memory}: {used:,} bytes exceed {board.id}'s {available:,} by {by:,} bytes"
