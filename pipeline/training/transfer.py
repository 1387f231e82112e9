"""Transfer learning: weights of an earlier run, and layers that keep them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.errors import ModelError
from pipeline.spec.near_miss import suggestion
from pipeline.training.architecture import load_keras_model


def take_weights(network: Any, keras_file: Path) -> int:
    """Copies the weights of layers that both models have, by name and shapes of weights.

    Returns:
        How many layers were copied; the others keep their initial weights, such as a last layer
        for another number of classes.

    Raises:
        ModelError: the file is no Keras model, or no layer of it suits.
    """
    source = {layer.name: layer for layer in load_keras_model(keras_file, "train").layers}
    copied = 0
    for layer in network.layers:
        weights = source[layer.name].get_weights() if layer.name in source else []
        shapes = [array.shape for array in layer.get_weights()]
        if shapes and [array.shape for array in weights] == shapes:
            layer.set_weights(weights)
            copied += 1
    if copied == 0:
        raise ModelError(
            f"train: {keras_file} has no layer of {network.name}, by name and shape",
            "start from a run of the same architecture",
        )
    return copied


def freeze_until(network: Any, name: str) -> None:
    """Keeps the weights of all layers up to `name`, it included, in the order of the model.

    Batch normalization among them goes on with the statistics it has.

    Raises:
        ModelError: no layer has the name, or none would be left to train.
    """
    names = [layer.name for layer in network.layers]
    if name not in names:
        raise ModelError(
            f'train: {network.name} has no layer "{name}" to freeze up to', suggestion(name, names)
        )
    for layer in network.layers[: names.index(name) + 1]:
        layer.trainable = False
    if not network.trainable_variables:
        raise ModelError(
            f'train: with "{name}" frozen no weight of {network.name} is left to train'
        )
