"""Networks with known weights, and a short training, for the suites about compression."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import data
from pipeline.data import Dataset
from pipeline.models import models
from pipeline.spec import ModelSpec, TrainingSpec

TRAINING = TrainingSpec(epochs=1, batch_size=50, learning_rate=0.005, seed=1)


def few_digits() -> Dataset:
    """The first 1,000 training and 300 test images of the drawn digits."""
    drawn = data.load("synthetic_digits")
    return dataclasses.replace(
        drawn,
        train_images=drawn.train_images[:1000],
        train_labels=drawn.train_labels[:1000],
        test_images=drawn.test_images[:300],
        test_labels=drawn.test_labels[:300],
    )


def trained_conv(dataset: Dataset, folder: Path) -> Path:
    """The .keras file of `conv_mnist` after `TRAINING`."""
    from pipeline.training.train import train

    path = folder / "model.keras"
    train(ModelSpec("conv_mnist"), TRAINING, dataset, path)
    return path


def zoo_network(name: str, seed: int = 1) -> Any:
    """A registered architecture with random weights, biases and normalization."""
    from pipeline.training.train import seeded_keras

    seeded_keras(seed)
    definition = models()[name]
    network = definition.build(definition.parameters(), definition.image_shape, definition.classes)
    generator = np.random.default_rng(seed)
    for variable in network.weights:
        kind = variable.name.rsplit("/", 1)[-1]
        if kind.startswith(("bias", "beta", "moving_mean")):
            variable.assign(generator.normal(0, 0.1, variable.shape))
        elif kind.startswith(("gamma", "moving_variance")):
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    return network


def images(network: Any, count: int = 2) -> np.ndarray:
    """Random inputs of the network's shape."""
    shape = (count, *network.input_shape[1:])
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def outputs(network: Any, inputs: np.ndarray) -> np.ndarray:
    """float32 outputs, as the network is used."""
    result: np.ndarray = network(inputs, training=False).numpy()
    return result
