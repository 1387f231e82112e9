"""Synthetic digits, NOT real data: seven-segment figures drawn by a seeded generator.

For tests and first steps without a network. Accuracy on it says nothing about handwriting.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import data

_TRAIN_SAMPLES = 4000
_TEST_SAMPLES = 1000
_SEED = 20150525
_SIZE = 28
_HEIGHT, _WIDTH, _STROKE = 18, 12, 3
_NOISE = 48
_PLACES = 5
# Segments of each digit in the usual order a..g: top, upper right, lower right, bottom,
# lower left, upper left, middle.
_SEGMENTS = (
    "abcdef",
    "bc",
    "abged",
    "abgcd",
    "fgbc",
    "afgcd",
    "afgedc",
    "abc",
    "abcdefg",
    "abcdfg",
)


def load(_cache_folder: Path) -> data.Dataset:
    """The same 4,000 + 1,000 images of shape (28, 28, 1), uint8, on every machine."""
    # PCG64 by name: NumPy may change what default_rng means, never what PCG64 draws.
    generator = np.random.Generator(np.random.PCG64(_SEED))
    train_images, train_labels = _draw(generator, _TRAIN_SAMPLES)
    test_images, test_labels = _draw(generator, _TEST_SAMPLES)
    return data.Dataset(
        name="synthetic_digits",
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        class_names=tuple("0123456789"),
        scaling=data.InputScaling(1 / 255),
    )


def _draw(
    generator: np.random.Generator, samples: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Figures near the middle in random ink over noise, and their digits."""
    labels = generator.integers(10, size=samples, dtype=np.int64)
    images = generator.integers(_NOISE, size=(samples, _SIZE, _SIZE), dtype=np.uint8)
    ink = generator.integers(128, 256 - _NOISE, size=samples, dtype=np.uint8)
    top = (_SIZE - _HEIGHT - _PLACES) // 2 + generator.integers(_PLACES, size=samples)
    left = (_SIZE - _WIDTH - _PLACES) // 2 + generator.integers(_PLACES, size=samples)
    figures = np.stack([_figure(segments) for segments in _SEGMENTS])
    for image, label, value, y, x in zip(images, labels, ink, top, left, strict=True):
        image[y : y + _HEIGHT, x : x + _WIDTH] += figures[label] * value
    return images[..., np.newaxis], labels


def _figure(segments: str) -> npt.NDArray[np.uint8]:
    """One digit as 0 and 1, (height, width)."""
    middle = (_HEIGHT - _STROKE) // 2
    half = _HEIGHT // 2
    areas = {
        "a": np.s_[:_STROKE, :],
        "b": np.s_[:half, -_STROKE:],
        "c": np.s_[half:, -_STROKE:],
        "d": np.s_[-_STROKE:, :],
        "e": np.s_[half:, :_STROKE],
        "f": np.s_[:half, :_STROKE],
        "g": np.s_[middle : middle + _STROKE, :],
    }
    figure = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    for segment in segments:
        figure[areas[segment]] = 1
    return figure


data.register(
    data.DataDefinition(
        "synthetic_digits",
        "NOT real data: drawn seven-segment digits for tests, 28x28x1, 4,000 + 1,000",
        load,
    )
)
