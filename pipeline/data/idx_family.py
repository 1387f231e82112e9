"""What MNIST and the data sets made in its likeness share: four IDX files, verified and cached."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pipeline import data
from pipeline.data.idx import read_idx, write_idx
from pipeline.errors import DataError

_TRAIN_IMAGES = "train-images-idx3-ubyte"
_TRAIN_LABELS = "train-labels-idx1-ubyte"
_TEST_IMAGES = "t10k-images-idx3-ubyte"
_TEST_LABELS = "t10k-labels-idx1-ubyte"
_DOWNLOAD_LIMIT_S = 300


def load(
    name: str,
    class_names: tuple[str, ...],
    checksums: Mapping[str, str],
    cache_folder: Path,
    fetch: Callable[[Path], Mapping[str, bytes]],
) -> data.Dataset:
    """The data set from the cache; fetched first where a cached file is missing or damaged.

    Args:
        checksums: file -> SHA-256, of the four IDX files.
        fetch: folder that they will be cached in (for messages) -> the files, verified.

    Raises:
        DataError: `fetch` cannot get them, or they cannot be cached.
    """
    folder = cache_folder / name
    files = _cached_files(name, folder, checksums)
    if files is None:
        files = fetch(folder)
        _store(name, folder, {file: files[file] for file in checksums})
    arrays = {file: read_idx(content, file) for file, content in files.items()}
    return data.Dataset(
        name=name,
        train_images=arrays[_TRAIN_IMAGES][..., np.newaxis],
        train_labels=arrays[_TRAIN_LABELS].astype(np.int64),
        test_images=arrays[_TEST_IMAGES][..., np.newaxis],
        test_labels=arrays[_TEST_LABELS].astype(np.int64),
        class_names=class_names,
        scaling=data.InputScaling(1 / 255),
    )


def verify(
    name: str, files: Mapping[str, bytes], checksums: Mapping[str, str], source: str
) -> None:
    """Raises DataError unless all files are there, each with its checksum."""
    for file, expected in checksums.items():
        if file not in files:
            raise DataError(f"data: {name} from {source} lacks {file}")
        verify_sha256(name, files[file], expected, f"{file} from {source}")


def verify_sha256(name: str, content: bytes, expected: str, label: str) -> None:
    """Raises DataError where the content is not what is expected."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"data: {name}: {label} has sha256 {found[:16]}..., expected {expected[:16]}...",
            "the download is damaged or was replaced, nothing of it is used",
        )


def _cached_files(
    name: str, folder: Path, checksums: Mapping[str, str]
) -> Mapping[str, bytes] | None:
    """The cached files, or None where one is missing or damaged: then all are fetched anew."""
    try:
        files = {file: (folder / file).read_bytes() for file in checksums}
        verify(name, files, checksums, "the cache")
    except (OSError, DataError):
        return None
    return files


def _store(name: str, folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            # Renamed into place: another run beside this one sees a whole file or none.
            handle, temporary = tempfile.mkstemp(prefix=f".{file}-", dir=folder)
            try:
                with os.fdopen(handle, "wb") as opened:
                    opened.write(content)
                Path(temporary).replace(folder / file)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DataError(
            f"data: {name} cannot be cached in {folder}: {error.strerror}",
            "make room or set XDG_CACHE_HOME to a folder that can be written",
        ) from error


def keras_archive(script: str, folder: Path, result: str) -> tuple[bytes | None, str]:
    """The .npz file that a script around Keras's loader leaves, or None and the reason.

    It runs in a process of its own: the loader prints, has no time limit and imports TensorFlow.

    Args:
        script: Python source; its first argument is `folder`.
        result: the file's name below `folder`.
    """
    command = [sys.executable, "-c", script, str(folder)]
    reason = run_downloader("the Keras loader", command, folder)
    archive = folder / result
    if reason or not archive.is_file():
        return None, reason or "the Keras loader left no file"
    return archive.read_bytes(), ""


def files_from_keras(archive: bytes) -> dict[str, bytes]:
    """The four IDX files of the arrays that Keras's loader gives."""
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        return {
            _TRAIN_IMAGES: write_idx(arrays["x_train"]),
            _TRAIN_LABELS: write_idx(arrays["y_train"]),
            _TEST_IMAGES: write_idx(arrays["x_test"]),
            _TEST_LABELS: write_idx(arrays["y_test"]),
        }


def run_downloader(name: str, command: list[str], folder: Path) -> str:
    """Runs a downloader in `folder`; "" where it succeeded, else why it did not, in one line."""
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DOWNLOAD_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{name} took more than {_DOWNLOAD_LIMIT_S} s"
    except OSError as error:
        return f"{name} cannot be started: {error.strerror}"
    if result.returncode == 0:
        return ""
    said = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"{name} failed" + (f": {said[-1].strip()[:160]}" if said else "")
