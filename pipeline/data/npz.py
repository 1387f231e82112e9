"""A data set of one's own: an .npz file with x_train, y_train, x_test, y_test."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import data
from pipeline.errors import DataError

_MAX_CLASSES = 65_536


def load(path: Path) -> data.Dataset:
    """Reads and checks a file written by numpy.savez or numpy.savez_compressed.

    x_train and x_test are (samples, height, width) or (samples, height, width, channels): uint8,
    which the model sees divided by 255, or a float type, which it sees as it is. y_train and
    y_test are integers from 0, (samples,) or (samples, 1). An optional array class_names has a
    text for each class; without it there are as many classes as the largest label says.

    Raises:
        DataError: the file cannot be read, lacks an array, or an array is not as above.
    """
    arrays = _read(path)
    train_images, train_labels = _split(path, arrays, "train")
    test_images, test_labels = _split(path, arrays, "test")
    if train_images.shape[1:] != test_images.shape[1:] or train_images.dtype != test_images.dtype:
        raise _refusal(
            path, f"x_train and x_test differ: {_form(train_images)}, {_form(test_images)}"
        )
    largest = max(int(train_labels.max()), int(test_labels.max()))
    is_stored_as_bytes = train_images.dtype == np.uint8
    return data.Dataset(
        name=path.stem,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        class_names=_class_names(path, arrays, largest),
        scaling=data.InputScaling(1 / 255 if is_stored_as_bytes else 1.0),
    )


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    names = ("x_train", "y_train", "x_test", "y_test", "class_names")
    try:
        # numpy closes a file that it opened itself late where it holds no archive.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise _refusal(path, "it holds one array; numpy.savez writes several")
            return {name: archive[name] for name in names if name in archive.files}
    except OSError as error:
        raise _refusal(path, f"it cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        # numpy's text of a pickled array or of no archive at all goes on about pickles.
        raise _refusal(path, "it is no archive of plain numpy arrays") from error


def _split(
    path: Path, arrays: dict[str, npt.NDArray[Any]], split: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """(samples, height, width, channels) images and their (samples,) labels, checked."""
    for name in (f"x_{split}", f"y_{split}"):
        if name not in arrays:
            raise _refusal(path, f"it lacks the array {name}")
    images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or 0 in images.shape:
        wanted = "(samples, height, width) or (samples, height, width, channels), none of them 0"
        raise _refusal(path, f"x_{split} has shape {arrays[f'x_{split}'].shape}, not {wanted}")
    if images.dtype != np.uint8:
        if images.dtype.kind != "f":
            raise _refusal(path, f"x_{split} is {images.dtype}, neither uint8 nor a float type")
        with np.errstate(over="ignore"):  # becomes infinity, which is refused below
            images = images.astype(np.float32)
        if not np.isfinite(images).all():
            raise _refusal(path, f"x_{split} has a value that is no finite float32")
    if labels.dtype.kind not in "iu":
        raise _refusal(path, f"y_{split} is {labels.dtype}, not integers")
    if labels.shape not in ((len(images),), (len(images), 1)):
        raise _refusal(path, f"y_{split} has shape {labels.shape}, x_{split} {len(images)} images")
    labels = labels.reshape(-1)
    if labels.min() < 0 or labels.max() >= _MAX_CLASSES:
        raise _refusal(path, f"y_{split} has a label outside 0..{_MAX_CLASSES - 1}")
    return images, labels.astype(np.int64)


def _class_names(path: Path, arrays: dict[str, npt.NDArray[Any]], largest: int) -> tuple[str, ...]:
    if "class_names" not in arrays:
        return tuple(str(index) for index in range(largest + 1))
    names = arrays["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U" or len(names) <= largest:
        raise _refusal(path, f"class_names is not a list of a text for each label 0..{largest}")
    return tuple(str(name) for name in names)


def _form(images: npt.NDArray[Any]) -> str:
    return f"{images.dtype} {images.shape[1:]}"


def _refusal(path: Path, reason: str) -> DataError:
    return DataError(f"data: {path}: {reason}")
