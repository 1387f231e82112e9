"""Models and data sets that a spec names by a file instead of by a registered name."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SpecError
from pipeline.store import files_hash, sha256_hex

_FUNCTION = re.compile(r"(?P<path>.+\.py):(?P<function>[A-Za-z_][A-Za-z0-9_]*)", re.DOTALL)
_SAVED = (".keras", ".h5")
_ARRAYS = ".npz"
_FOLDER = "/"
RUN_MODEL = "model.keras"  # of a run folder


@dataclass(frozen=True)
class ModelFile:
    """A model of one's own.

    Attributes:
        path: Python source, or a saved Keras model.
        function: what builds the model; None for a saved one.
    """

    path: Path
    function: str | None


def model_file(name: str) -> ModelFile | None:
    """The file that a [model] name means; None where it is a registered name."""
    match = _FUNCTION.fullmatch(name)
    if match is not None:
        return ModelFile(Path(match["path"]), match["function"])
    return ModelFile(Path(name), None) if name.endswith(_SAVED) else None


def data_file(name: str) -> Path | None:
    """The .npz file or the folder of images ("name/") that a [data] name means; None where it is
    a registered name."""
    return Path(name) if name.endswith((_ARRAYS, _FOLDER)) else None


def start_file(start: str) -> Path:
    """The .keras file that [training] start_from means: itself, or a run folder's."""
    path = Path(start)
    return path if path.suffix in _SAVED else path / RUN_MODEL


def located(name: str, folder: Path) -> str:
    """The path `name` taken from `folder`."""
    path = os.path.normpath(folder / name)
    return path.rstrip(_FOLDER) + _FOLDER if name.endswith(_FOLDER) else path


def identity(name: str) -> tuple[str, ...]:
    """What a stage's result depends on: the name, or the file's content but not its place.

    Raises:
        SpecError: the file cannot be read.
    """
    own = model_file(name)
    path = data_file(name) if own is None else own.path
    if path is None:
        return (name,)
    function = "" if own is None or own.function is None else own.function
    return (path.name, function, content_hash(path))


def label(name: str) -> str:
    """The name for reports: a file without its folder and ending."""
    path = data_file(name)
    return name if path is None else path.stem


@functools.cache
def content_hash(path: Path) -> str:
    """SHA-256 of a file or of all files of a folder, read once a process.

    Raises:
        SpecError: it cannot be read.
    """
    try:
        return files_hash(path) if path.is_dir() else sha256_hex(path.read_bytes())
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from error
