"""CIFAR-10: 50,000 training and 10,000 test images of ten kinds of things, 32x32x3.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Keras's loader fetches it
and verifies the archive's SHA-256 before it reads it; there is no package that ships it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from pipeline import data
from pipeline.data import idx_family, npz
from pipeline.errors import DataError
from pipeline.store import write_if_changed

_NAME = "cifar10"
_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
# The loader downloads below the home folder and gives arrays, no file.
_KERAS_DOWNLOAD = """
import os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["HOME"] = os.environ["KERAS_HOME"] = sys.argv[1]
import numpy
from tf_keras.datasets import cifar10
(x_train, y_train), (x_test, y_test) = cifar10.load_data()
numpy.savez(os.path.join(sys.argv[1], "cifar10.npz"),
            x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
"""
_SHAPES = ((50_000, 32, 32, 3), (10_000, 32, 32, 3))


def load(cache_folder: Path) -> data.Dataset:
    """CIFAR-10 from the cache or through Keras's loader.

    Raises:
        DataError: it is not cached and cannot be fetched, or what is cached is damaged.
    """
    cached = cache_folder / _NAME / f"{_NAME}.npz"
    if not cached.is_file():
        with tempfile.TemporaryDirectory(prefix="mcu-pipeline-cifar10-") as temporary:
            archive, reason = idx_family.keras_archive(
                _KERAS_DOWNLOAD, Path(temporary), f"{_NAME}.npz"
            )
        if archive is None:
            raise DataError(
                f"data: {_NAME} is not cached and cannot be fetched ({reason})",
                f"connect to the open internet, or put an .npz of its arrays at {cached}",
            )
        write_if_changed(cached, archive)
    found = npz.load(cached)
    if (found.train_images.shape, found.test_images.shape) != _SHAPES or (
        np.bincount(found.test_labels).tolist() != [1000] * len(_CLASSES)
    ):
        raise DataError(f"data: {cached} is not CIFAR-10", "remove it: it is fetched anew")
    return data.Dataset(
        name=_NAME,
        train_images=found.train_images,
        train_labels=found.train_labels,
        test_images=found.test_images,
        test_labels=found.test_labels,
        class_names=_CLASSES,
        scaling=found.scaling,
    )


data.register(
    data.DataDefinition(_NAME, "small pictures of ten kinds, 32x32x3, 50,000 + 10,000", load)
)
