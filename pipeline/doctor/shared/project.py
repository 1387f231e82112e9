"""Somebody's own PlatformIO or Arduino project, as text: nothing of it is run or compiled."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.doctor.shared.libraries import Library, library_named
from pipeline.errors import ModelError, PipelineError

PLATFORMIO_INI = "platformio.ini"
_SOURCES = {".ino", ".c", ".cc", ".cpp", ".h", ".hpp"}
_LEFT_OUT = {"build", "node_modules", "__pycache__"}
_MOST_FILES = 2_000
_MOST_BYTES = 1 << 26  # of one file: an array takes 5 to 6 characters a byte
_COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
_IDENTIFIER = re.compile(  # bytes 4 to 7 of a .tflite, decimal or hexadecimal
    r"(?:0x54|84|'T')\s*,\s*(?:0x46|70|'F')\s*,\s*(?:0x4c|76|'L')\s*,\s*(?:0x33|51|'3')\s*,",
    re.IGNORECASE,
)
_ARRAY_HEAD = re.compile(r"(?P<name>\w+)\s*\[[^\]]*\][^\[\]]*=\s*$", re.DOTALL)
_ALIGNMENT = re.compile(
    r"(?:alignas|_Alignas|aligned(?:__)?|__ALIGNED|__align|DMA_ALIGN)\s*\(\s*(\d+)\s*\)"
)


@dataclass(frozen=True)
class ModelArray:
    """A .tflite file spelled as a C array.

    Attributes:
        place: "src/model.cc:12".
        alignment: bytes that a declaration asks for; 1 where none does.
        constant: it is declared const.
    """

    name: str
    place: str
    alignment: int
    constant: bool
    content: bytes


@dataclass(frozen=True)
class Project:
    """A project's sources without comments, and the settings of its environment.

    Attributes:
        sources: path below the project -> text, line by line where it was.
        libraries: the same of libraries in its `lib` folder, and their library.json files.
        settings: keys of the environment of platformio.ini; empty for an Arduino sketch.
    """

    path: Path
    sources: Mapping[str, str]
    libraries: Mapping[str, str]
    settings: Mapping[str, str]

    @property
    def board_name(self) -> str:
        """PlatformIO's name of the board, or ""."""
        return self.settings.get("board", "")

    @property
    def library(self) -> Library | None:
        """The TFLM library that it depends on by name, where that is a known one."""
        places = (self.settings.get("lib_deps", ""), *self.libraries, *self._includes())
        return next((found for text in places if (found := library_named(text))), None)

    def _includes(self) -> Iterator[str]:
        for text in self.sources.values():
            for header in re.findall(r"#\s*include\s*[<\"]([^>\"]+)", text):
                # Arduino_TensorFlowLite's own header has a shorter name than the library.
                yield "Arduino_TensorFlowLite" if header == "TensorFlowLite.h" else header

    def find(self, pattern: str) -> Iterator[tuple[str, re.Match[str]]]:
        """("src/main.cpp:12", match) of every match in the sources, libraries left out."""
        for name, text in self.sources.items():
            for match in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
                yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}", match


def is_project(folder: Path) -> bool:
    return (folder / PLATFORMIO_INI).is_file() or any(folder.glob("*.ino"))


def read_project(folder: Path, environment: str | None = None) -> Project:
    """Reads a project.

    Args:
        environment: of platformio.ini; None for its default or else its first one.

    Raises:
        PipelineError: platformio.ini cannot be read, or there are too many sources.
    """
    sources: dict[str, str] = {}
    libraries: dict[str, str] = {}
    for count, path in enumerate(_source_files(folder)):
        if count == _MOST_FILES:
            raise PipelineError(f"doctor: {folder} has more than {_MOST_FILES:,} source files")
        name = path.relative_to(folder).as_posix()
        text = path.read_text(encoding="utf-8", errors="replace")
        where = libraries if name.startswith("lib/") else sources
        where[name] = text if path.suffix == ".json" else _without_comments(text)
    return Project(folder, sources, libraries, _settings(folder / PLATFORMIO_INI, environment))


def model_arrays(project: Project) -> list[ModelArray]:
    """Every array of the sources that holds a .tflite. Raises ModelError where one is cut off."""
    texts = {**project.sources, **project.libraries}
    arrays = []
    for name, text in texts.items():
        for match in _IDENTIFIER.finditer(text):
            start = text.rfind("{", 0, match.start())
            head = _ARRAY_HEAD.search(text, max(0, start - 400), start) if start >= 0 else None
            if head is None:
                continue
            line = text.count("\n", 0, head.start()) + 1
            content = _array_bytes(text[start + 1 : text.find("}", start)], f"{name}:{line}")
            if content[4:8] == b"TFL3":
                declarations = [
                    _declaration(text, head.start(), start),
                    *_declarations_of(head["name"], texts),
                ]
                arrays.append(
                    ModelArray(
                        head["name"],
                        f"{name}:{line}",
                        max(_alignment(words, texts) for words in declarations),
                        any(re.search(r"\bconst(?:expr)?\b", words) for words in declarations),
                        content,
                    )
                )
    return arrays


def _source_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in _LEFT_OUT for part in parts)
        wanted = path.suffix in _SOURCES or path.name == "library.json"
        if wanted and not hidden and path.is_file() and path.stat().st_size <= _MOST_BYTES:
            yield path


def _without_comments(text: str) -> str:
    """Comments replaced by their line breaks; texts in quotation marks stay."""

    def kept(match: re.Match[str]) -> str:
        found = match[0]
        return found if found.startswith('"') else " " + "\n" * found.count("\n")

    return _COMMENT_OR_TEXT.sub(kept, text)


def _settings(path: Path, environment: str | None) -> Mapping[str, str]:
    if not path.is_file():
        return {}
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(path.read_text(encoding="utf-8", errors="replace"))
    except configparser.Error as error:
        reason = str(error).splitlines()[0]
        raise PipelineError(f"doctor: {path} cannot be read: {reason}") from error
    names = [name for name in config.sections() if name.startswith("env:")]
    default = config.get("platformio", "default_envs", fallback="").split(",")[0].strip()
    chosen = f"env:{environment or default}"
    if chosen not in names:
        chosen = names[0] if names else "env"
    merged: dict[str, str] = {}
    bases = config.get(chosen, "extends", fallback="") if config.has_section(chosen) else ""
    for section in ("env", *(base.strip() for base in bases.split(",")), chosen):
        if config.has_section(section):
            merged |= dict(config[section])
    return merged


def _array_bytes(body: str, place: str) -> bytes:
    try:
        return bytes(
            ord(item[1]) if item[0] == "'" else int(item, 0)
            for part in body.split(",")
            if (item := part.strip())
        )
    except ValueError as error:
        raise ModelError(f"{place}: the model's array holds something that is no byte") from error


def _declaration(text: str, name_at: int, brace_at: int) -> str:
    """The words of a definition, from the statement's begin to its brace."""
    begin = max(text.rfind(mark, 0, name_at) for mark in ";}")
    words = text[begin + 1 : brace_at]
    return "\n".join(line for line in words.splitlines() if not line.lstrip().startswith("#"))


def _declarations_of(name: str, texts: Mapping[str, str]) -> Iterator[str]:
    pattern = re.compile(rf"\bextern\b([^;{{}}]*\b{re.escape(name)}\s*\[[^;]*);", re.DOTALL)
    for text in texts.values():
        yield from (match[1] for match in pattern.finditer(text))


def _alignment(words: str, texts: Mapping[str, str]) -> int:
    """The largest alignment that words or a macro among them ask for."""
    found = [int(number) for number in _ALIGNMENT.findall(words)]
    for macro in re.findall(r"\b\w*ALIGN\w*\b", words):
        for text in texts.values():
            for value in re.findall(rf"#\s*define\s+{macro}\b(.*)", text):
                found += [int(number) for number in _ALIGNMENT.findall(value)]
    return max(found, default=1)
