"""Where each kind of project wants its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

FormatName = Literal["arduino", "espidf", "platformio", "cmake", "c"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)


@dataclass(frozen=True)
class Format:
    """One kind of package.

    Attributes:
        title: for people.
        board: that the kernels are made for where none is stated; "host" stands for any core.
        board_of_run: take the board of the run that is exported, where it has one.
        cores: beginnings of the cores that it is for; empty for all.
        header: folder of `model.h`.
        sources: folder of everything else.
        example: folder of the example's program.
        main: the program's file name; an .ino and a .cpp have Arduino's setup() and loop().
        files: path in the package -> template below templates/export.
        runtimes: that it can hold: aot is C alone, tflm needs its library.
    """

    title: str
    board: str
    header: str
    sources: str
    example: str
    main: str
    files: Mapping[str, str]
    board_of_run: bool = True
    cores: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ("aot", "tflm")


_FORMATS: Mapping[FormatName, Format] = MappingProxyType(
    {
        "c": Format(
            title="C sources",
            board="host",
            board_of_run=False,
            header="include",
            sources="src",
            example="example",
            main="main.c",
            files={},
            runtimes=("aot",),
        ),
        "cmake": Format(
            title="CMake project",
            board="host",
            board_of_run=False,
            header="include",
            sources="src",
            example="example",
            main="main.c",
            files={"CMakeLists.txt": "cmake/CMakeLists.txt.j2"},
            runtimes=("aot",),
        ),
        "arduino": Format(
            title="Arduino library",
            board="nano33ble",
            header="src",
            sources="src",
            example="examples/RunInference",
            main="RunInference.ino",
            files={"library.properties": "arduino/library.properties.j2"},
        ),
        "espidf": Format(
            title="ESP-IDF component",
            board="esp32dev",
            cores=("xtensa", "rv32"),
            header="include",
            sources="src",
            example="examples/run_inference/main",
            main="main.c",
            files={
                "CMakeLists.txt": "espidf/CMakeLists.txt.j2",
                "idf_component.yml": "espidf/idf_component.yml.j2",
                "examples/run_inference/CMakeLists.txt": "espidf/example.CMakeLists.txt.j2",
                "examples/run_inference/main/CMakeLists.txt": "espidf/main.CMakeLists.txt.j2",
                "examples/run_inference/main/idf_component.yml": "espidf/main.yml.j2",
            },
        ),
        "platformio": Format(
            title="PlatformIO library",
            board="nano33ble",
            header="include",
            sources="src",
            example="examples/run_inference/src",
            main="main.cpp",
            files={
                "library.json": "platformio/library.json.j2",
                "examples/run_inference/platformio.ini": "platformio/platformio.ini.j2",
            },
        ),
    }
)


def format_named(name: FormatName) -> Format:
    """The format of that name."""
    return _FORMATS[name]
