"""Networks with known weights, for the suites about compression."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.models import models


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
