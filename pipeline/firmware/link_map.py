"""Reads GNU ld's link map: which object file contributed how many bytes of what."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

_MAP_START = "Linker script and memory map"
# " .text.main      0x00000040       0x44 /path/main.o"; long names stand on a line of their own.
_SECTION = re.compile(
    r"^ (?P<name>[.\w][^\s*]*)\s+0x(?P<address>[0-9a-f]+)\s+0x(?P<size>[0-9a-f]+) "
    r"(?P<object>\S.*)$",
    re.MULTILINE,
)
_CODE = (".text",)
_CONST = (".rodata", ".data.rel.ro")
_RAM = (".bss", ".data", "COMMON")
# Folders of object files, seen from the environment's build folder, that belong to the model.
_MODEL_FOLDERS = (("generated",), ("src", "kernels"), ("src", "runtimes"))
# TFLM and its kernels: a library that PlatformIO compiles, or archives that an Arduino core brings.
_TFLM_LIBRARY = "chirale_tensorflowlite"
_TFLM_ARCHIVES = ("esp-tflite-micro.a", "esp-nn.a")


@dataclass(frozen=True)
class InputSection:
    """What one object file contributes to one output section.

    Attributes:
        name: as the compiler named it, ".text.conv_2d_s8".
        address: where it was placed.
        size_bytes: without alignment in front of the next one.
        object_file: path, or "path/lib.a(member.o)".
    """

    name: str
    address: int
    size_bytes: int
    object_file: str

    @property
    def symbol(self) -> str:
        """The function or variable, where the section holds one only (-ffunction-sections)."""
        for prefix in (*_CODE, *_CONST, *_RAM):
            if self.name.startswith(prefix + "."):
                return self.name[len(prefix) + 1 :]
        return self.name

    def is_code(self) -> bool:
        """Machine code."""
        return _has_prefix(self.name, _CODE)

    def is_const(self) -> bool:
        """Read-only data."""
        return _has_prefix(self.name, _CONST)

    def is_stored(self) -> bool:
        """Takes flash: code, constants, initial values of variables."""
        return self.is_code() or self.is_const() or _has_prefix(self.name, (".data",))

    def is_in_ram(self) -> bool:
        """Variables, initialised or not."""
        return _has_prefix(self.name, _RAM) and not self.is_const()


def _has_prefix(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def parse_link_map(text: str) -> tuple[InputSection, ...]:
    """Input sections that were linked in and are not empty, in the order of the map.

    Sections that --gc-sections discarded are listed in front of the memory map and left out.
    """
    _, _, memory_map = text.partition(_MAP_START)
    return tuple(
        InputSection(
            name=match["name"],
            address=int(match["address"], 16),
            size_bytes=int(match["size"], 16),
            object_file=match["object"],
        )
        for match in _SECTION.finditer(memory_map)
        if int(match["size"], 16) > 0
    )


def model_sections(
    sections: Iterable[InputSection], build_folder: PurePath
) -> tuple[InputSection, ...]:
    """Those of runtime, kernels (TFLM's too) and generated model: without port, core, C library.

    Args:
        build_folder: folder of the PlatformIO environment's object files.
    """
    return tuple(s for s in sections if _is_of_model(PurePath(s.object_file), build_folder))


def _is_of_model(object_file: PurePath, build_folder: PurePath) -> bool:
    """Compares the ends of the paths: the linker's may be relative to where it ran."""
    parts = object_file.parts
    below = next(
        (
            parts[i + 2 :]
            for i, pair in enumerate(pairwise(parts))
            if pair == build_folder.parts[-2:]
        ),
        (),
    )
    return (
        any(below[: len(folder)] == folder for folder in _MODEL_FOLDERS)
        or any(_TFLM_LIBRARY in part.casefold() for part in below)
        or object_file.name.partition("(")[0].endswith(_TFLM_ARCHIVES)
    )
