"""Fashion-MNIST: 60,000 training and 10,000 test images of clothes, in MNIST's format.

Xiao, Rasul and Vollgraf, arXiv:1708.07747. Whatever the source, the four IDX files must have the
checksums below, those of Debian's package, before anything reads them.
"""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from pipeline import data
from pipeline.data import idx_family
from pipeline.errors import DataError

_NAME = "fashion_mnist"
_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
FILES_SHA256: Mapping[str, str] = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
_DEBIAN_PACKAGE = "dataset-fashion-mnist"
_DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
# The loader downloads below the home folder and gives arrays, no file.
_KERAS_DOWNLOAD = """
import os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["HOME"] = os.environ["KERAS_HOME"] = sys.argv[1]
import numpy
from tf_keras.datasets import fashion_mnist
(x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
numpy.savez(os.path.join(sys.argv[1], "fashion_mnist.npz"),
            x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
"""


def load(cache_folder: Path) -> data.Dataset:
    """Fashion-MNIST from the cache, Debian's package or Keras's loader, whichever is there first.

    Raises:
        DataError: none of them has it, or what they have is damaged.
    """
    return idx_family.load(_NAME, _CLASSES, FILES_SHA256, cache_folder, _fetch)


def _fetch(folder: Path) -> Mapping[str, bytes]:
    files = _debian_files()
    source = f"Debian's package {_DEBIAN_PACKAGE}"
    if files is None:
        with tempfile.TemporaryDirectory(prefix="mcu-pipeline-fashion-mnist-") as temporary:
            archive, reason = idx_family.keras_archive(
                _KERAS_DOWNLOAD, Path(temporary), f"{_NAME}.npz"
            )
        if archive is None:
            raise DataError(
                f"data: {_NAME} is not cached and cannot be fetched ({_DEBIAN_FOLDER} has it not; "
                f"{reason})",
                f"connect to the network, or install Debian's package: apt-get install "
                f"{_DEBIAN_PACKAGE}, or put the four IDX files into {folder}",
            )
        files, source = idx_family.files_from_keras(archive), "the Keras loader"
    idx_family.verify(_NAME, files, FILES_SHA256, source)
    return files


def _debian_files() -> Mapping[str, bytes] | None:
    """The unpacked files of Debian's package; None where it is not installed whole."""
    try:
        return {
            name: gzip.decompress((_DEBIAN_FOLDER / f"{name}.gz").read_bytes())
            for name in FILES_SHA256
        }
    except (OSError, EOFError, zlib.error):
        return None


data.register(data.DataDefinition(_NAME, "pictures of clothes, 28x28x1, 60,000 + 10,000", load))
