"""Synthetic shapes, NOT real data: discs and squares on a flat ground, drawn by a seeded generator.

For what a network costs at 96x96x3. Accuracy on it says nothing about photographs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import data

_TRAIN_SAMPLES = 800
_TEST_SAMPLES = 100
_SEED = 19410512
_SIZE = 96
_SMALLEST, _LARGEST = 12, 30  # half the width of a shape, in pixels


def load(_cache_folder: Path) -> data.Dataset:
    """The same 800 + 100 images of shape (96, 96, 3), uint8, on every machine."""
    # PCG64 by name: NumPy may change what default_rng means, never what PCG64 draws.
    generator = np.random.Generator(np.random.PCG64(_SEED))
    train_images, train_labels = _draw(generator, _TRAIN_SAMPLES)
    test_images, test_labels = _draw(generator, _TEST_SAMPLES)
    return data.Dataset(
        name="synthetic_shapes",
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        class_names=("disc", "square"),
        scaling=data.InputScaling(1 / 255),
    )


def _draw(
    generator: np.random.Generator, samples: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Shapes of random size, place and colour on a random ground, and 0 (disc) or 1 (square)."""
    labels = generator.integers(2, size=samples, dtype=np.int64)
    half = generator.integers(_SMALLEST, _LARGEST + 1, size=samples)
    place = generator.random((samples, 2))
    ground = generator.integers(96, size=(samples, 3), dtype=np.uint8)
    ink = generator.integers(160, 256, size=(samples, 3), dtype=np.uint8)
    rows, columns = np.mgrid[:_SIZE, :_SIZE]
    images = np.empty((samples, _SIZE, _SIZE, 3), np.uint8)
    for image, label, radius, (y, x), back, front in zip(
        images, labels, half, place, ground, ink, strict=True
    ):
        below = rows - (radius + y * (_SIZE - 1 - 2 * radius))
        beside = columns - (radius + x * (_SIZE - 1 - 2 * radius))
        is_square = np.maximum(np.abs(below), np.abs(beside)) <= radius
        is_disc = below**2 + beside**2 <= radius**2
        image[...] = np.where((is_square if label else is_disc)[..., np.newaxis], front, back)
    return images, labels


data.register(
    data.DataDefinition(
        "synthetic_shapes",
        "NOT real data: drawn discs and squares for costs, 96x96x3, 800 + 100",
        load,
    )
)
