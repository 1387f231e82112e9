"""A data set of one's own: folders of images, one folder a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import data
from pipeline.errors import DataError

_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".webp")
_SPLIT_SEED = 0

Images = npt.NDArray[np.uint8]


def load(
    folder: Path,
    image_size: tuple[int, int] | None = None,
    grayscale: bool = False,
    test_split: float = 0.2,
) -> data.Dataset:
    """Reads FOLDER/train/CLASS/* and FOLDER/test/CLASS/*, or FOLDER/CLASS/* and splits it.

    Classes are numbered in the order of their names. The model sees values divided by 255.

    Args:
        image_size: (height, width) that images are scaled to; None where all are of one size.
        grayscale: one channel instead of three.
        test_split: share of every class's images that is kept for the test, where there is no
            folder "test"; which ones does not depend on the run.

    Raises:
        DataError: there are no such folders, the splits differ in their classes, a file is no
            image, or images differ in size and `image_size` is None.
    """
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        files = {split: _classes(folder / split) for split in ("train", "test")}
        if list(files["train"]) != list(files["test"]):
            raise DataError(f"data: {folder}: train and test differ in their class folders")
    else:
        files = _divided(_classes(folder), test_split)
    reader = _Reader(image_size, grayscale)
    arrays = {split: reader.read(classes) for split, classes in files.items()}
    return data.Dataset(
        name=folder.name,
        train_images=arrays["train"][0],
        train_labels=arrays["train"][1],
        test_images=arrays["test"][0],
        test_labels=arrays["test"][1],
        class_names=tuple(files["train"]),
        scaling=data.InputScaling(1 / 255),
    )


def _classes(folder: Path) -> dict[str, list[Path]]:
    """Class -> its image files, both in the order of their names."""
    found = {
        below.name: sorted(f for f in below.iterdir() if f.suffix.lower() in _ENDINGS)
        for below in sorted(folder.iterdir())
        if below.is_dir() and not below.name.startswith(".")
    }
    empty = [name for name, files in found.items() if not files]
    if len(found) < 2 or empty:
        what = f"{empty[0]} has no image" if empty else f"{len(found)} class folders, 2 at least"
        raise DataError(f"data: {folder}: {what}", f"images are files {', '.join(_ENDINGS)}")
    return found


def _divided(
    classes: Mapping[str, Sequence[Path]], test_split: float
) -> dict[str, dict[str, list[Path]]]:
    generator = np.random.default_rng(_SPLIT_SEED)
    result: dict[str, dict[str, list[Path]]] = {"train": {}, "test": {}}
    for name, files in classes.items():
        kept = max(1, round(test_split * len(files)))
        if kept == len(files):
            raise DataError(f"data: class {name} has {len(files)} image, 2 are needed")
        order = generator.permutation(len(files))
        result["test"][name] = [files[i] for i in sorted(order[:kept])]
        result["train"][name] = [files[i] for i in sorted(order[kept:])]
    return result


class _Reader:
    """Decodes files to arrays of one shape."""

    def __init__(self, size: tuple[int, int] | None, grayscale: bool) -> None:
        self._grayscale = grayscale
        self._size, self._scales = size, size is not None

    def read(self, classes: Mapping[str, Sequence[Path]]) -> tuple[Images, npt.NDArray[np.int64]]:
        """(images, height, width, channels) and (images,) labels."""
        images = [self._decoded(file) for files in classes.values() for file in files]
        labels = [index for index, files in enumerate(classes.values()) for _ in files]
        return np.stack(images), np.array(labels, np.int64)

    def _decoded(self, file: Path) -> Images:
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(file) as opened:
                image: Any = opened.convert("L" if self._grayscale else "RGB")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise DataError(f"data: {file}: no image that can be read: {error}") from error
        if self._size is None:
            self._size = (image.height, image.width)
        elif (image.height, image.width) != self._size:
            if not self._scales:
                height, width = self._size
                raise DataError(
                    f"data: {file} has {image.height} x {image.width} pixels, the first image "
                    f"{height} x {width}",
                    "set [data] image_size = [height, width]",
                )
            image = image.resize((self._size[1], self._size[0]), Image.Resampling.BILINEAR)
        pixels = np.asarray(image, np.uint8)
        return pixels[..., np.newaxis] if self._grayscale else pixels
