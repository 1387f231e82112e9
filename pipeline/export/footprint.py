"""What the sources of a package take once they are compiled for their board."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.boards import boards
from pipeline.errors import ToolError
from pipeline.firmware.platformio_packages import toolchain_of

_ANY_CORE = "cortex-m4f"
_FLAGS = ("-std=c11", "-O2", "-ffunction-sections", "-fdata-sections", "-ffp-contract=off")


@dataclass(frozen=True)
class Footprint:
    """Of model and kernels; the C library and the program around them come on top.

    Attributes:
        code_bytes: machine code in flash.
        const_bytes: weights and parameters in flash.
        compiler: program, level of optimization and core.
    """

    code_bytes: int
    const_bytes: int
    compiler: str


def footprint(files: Mapping[str, str], folder: str, core: str) -> Footprint | None:
    """Compiles the C sources below `folder` of a package.

    Args:
        core: as a board's file spells it; portable code ("host") is compiled for Cortex-M4F.

    Returns:
        None where this pipeline builds for no such core or the compiler is not installed, or where
        there is C++ that needs a library.

    Raises:
        ToolError: the compiler refuses the sources.
    """
    core = _ANY_CORE if core == "host" else core
    toolchain = next(
        (toolchain_of(b.id) for b in boards() if b.core == core and b.kind == "emulated"), None
    )
    if toolchain is None or shutil.which(toolchain.compiler) is None:
        return None
    sources = {
        PurePosixPath(path).name: text for path, text in files.items() if _is_of(path, folder)
    }
    if any(name.endswith(".cpp") for name in sources):
        return None
    with tempfile.TemporaryDirectory() as temporary:
        for name, text in sources.items():
            (Path(temporary) / name).write_text(text, encoding="utf-8")
        compiled = [name for name in sources if name.endswith(".c")]
        command = [toolchain.compiler, *toolchain.machine_flags, *_FLAGS, "-I.", "-c", *compiled]
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True)
        if done.returncode != 0:
            raise ToolError(f"export: {toolchain.compiler} fails: {_first_error(done.stderr)}")
        sizes = [_sizes(path) for path in Path(temporary).glob("*.o")]
    compiler = f"{toolchain.compiler} -O2, {core}"
    return Footprint(sum(code for code, _ in sizes), sum(const for _, const in sizes), compiler)


def _first_error(output: str) -> str:
    lines = output.splitlines()
    return next((line for line in lines if "error:" in line), lines[-1] if lines else "no message")


def _is_of(path: str, folder: str) -> bool:
    """Whether a file is a source below the folder, or the public header."""
    return PurePosixPath(path).name == "model.h" or path.startswith(f"{folder}/")


def _sizes(path: Path) -> tuple[int, int]:
    """Bytes of code and of constants in an object file."""
    from elftools.elf.constants import SH_FLAGS
    from elftools.elf.elffile import ELFFile

    code = const = 0
    with path.open("rb") as stream:
        for section in ELFFile(stream).iter_sections():
            flags, size = section.header.sh_flags, section.header.sh_size
            if section.header.sh_type != "SHT_PROGBITS" or not flags & SH_FLAGS.SHF_ALLOC:
                continue
            if flags & SH_FLAGS.SHF_EXECINSTR:
                code += size
            elif not flags & SH_FLAGS.SHF_WRITE and not section.name.startswith(".eh_frame"):
                const += size
    return code, const
