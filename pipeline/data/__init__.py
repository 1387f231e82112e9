"""Data sets, one module each. Importing a module registers its data set; nothing else is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.registry import Registry
from pipeline.spec.near_miss import suggestion
from pipeline.spec.own_files import data_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class InputScaling:
    """What a model sees of a stored value: real = scale * stored + offset, in float32."""

    scale: float
    offset: float = 0.0

    def apply(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """float32 values of the same shape."""
        import numpy as np

        scaled = stored.astype(np.float32) * np.float32(self.scale)
        return scaled if self.offset == 0.0 else scaled + np.float32(self.offset)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled data set in two splits, as stored; compared by identity.

    Attributes:
        train_images: (samples, height, width, channels), uint8 or float32.
        train_labels: (samples,), int64, each an index into `class_names`.
        test_images: like `train_images`; never used to train or to calibrate.
        test_labels: like `train_labels`.
        scaling: stored image value -> model input.
    """

    name: str
    train_images: npt.NDArray[Any]
    train_labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[Any]
    test_labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    scaling: InputScaling

    def __post_init__(self) -> None:
        for split, images, labels in (
            ("train", self.train_images, self.train_labels),
            ("test", self.test_images, self.test_labels),
        ):
            if images.ndim != 4:
                raise ValueError(f"{self.name}: {split} images have shape {images.shape}, not NHWC")
            if labels.shape != images.shape[:1]:
                raise ValueError(
                    f"{self.name}: {len(images)} {split} images, {labels.shape} labels"
                )
            if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.class_names):
                raise ValueError(f"{self.name}: a {split} label is outside the class names")
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise ValueError(f"{self.name}: train and test images differ in shape")

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels)."""
        return tuple(self.train_images.shape[1:])


@dataclass(frozen=True)
class DataDefinition:
    """A data set that can be had by name.

    Attributes:
        summary: one line for listings.
        load: cache folder of the pipeline -> data set; raises DataError where it cannot be had.
    """

    name: str
    summary: str
    load: Callable[[Path], Dataset]


_registry = Registry[DataDefinition](__name__, "data set", lambda entry: entry.name)
register, definitions = _registry.register, _registry.all


def user_cache_folder() -> Path:
    """The pipeline's folder for downloads: under $XDG_CACHE_HOME, or else under ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification has relative paths ignored.
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "mcu-pipeline"


def load(name: str, cache_folder: Path | None = None, **images: Any) -> Dataset:
    """Loads a data set, fetching it where the cache does not hold it.

    Args:
        name: as in `definitions()`, or the path of an .npz file (see `pipeline.data.npz`) or of a
            folder of images, which ends in "/" (see `pipeline.data.image_folder`).
        images: of a folder of images, the arguments of `image_folder.load`.
        cache_folder: where downloads live; default `user_cache_folder()`.

    Raises:
        DataError: unknown name (says the nearest), or the data set cannot be had.
    """
    path = data_file(name)
    if path is not None and name.endswith("/"):
        from pipeline.data import image_folder

        return image_folder.load(path, **images)
    if path is not None:
        from pipeline.data import npz

        return npz.load(path)
    definition = definitions().get(name)
    if definition is None:
        raise DataError(f'data: data set "{name}" is unknown', suggestion(name, definitions()))
    return definition.load(cache_folder or user_cache_folder())
