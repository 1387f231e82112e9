"""A network made anew with other layers in some places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.training.tensorflow_setup import tensorflow

Arrays = list[npt.NDArray[np.float32]]
Parts = Sequence[tuple[Any, Arrays]]


def calls(network: Any) -> Iterator[Any]:
    """Every call of a layer of a functional or sequential tf_keras model, as Keras's nodes, each
    after those whose outputs it takes."""
    # tf_keras, which is no longer developed, has no public way; get_config() gives names only.
    for depth in sorted(network._nodes_by_depth, reverse=True):
        yield from network._nodes_by_depth[depth]


def called_once(network: Any) -> dict[str, Any]:
    """Layers that stand in one place of the network, by name."""
    names: dict[str, list[Any]] = {}
    for node in calls(network):
        names.setdefault(node.layer.name, []).append(node.layer)
    return {name: layers[0] for name, layers in names.items() if len(layers) == 1}


def same(layer: Any) -> Parts:
    """An equal layer with the same weights."""
    return [(type(layer).from_config(layer.get_config()), layer.get_weights())]


def rebuilt(network: Any, parts: Callable[[Any], Parts]) -> Any:
    """The network with every layer replaced by `parts(layer)`: new layers, one called on the
    other's output, and their weights. A function without weights may stand for a layer.

    Returns:
        a functional tf_keras model with the name of the network.
    """
    tf = tensorflow()
    import tf_keras as keras

    tensors: dict[int, Any] = {}
    made: dict[str, list[Any]] = {}
    weights: list[tuple[Any, Arrays]] = []

    def new(tensor: Any) -> Any:
        return tensors.get(id(tensor), tensor)

    for node in calls(network):
        layer = node.layer
        if node.is_input:
            given = node.outputs
            shape, batch = given.shape[1:], given.shape[0]
            tensors[id(given)] = keras.Input(shape, batch, name=layer.name, dtype=given.dtype)
            continue
        if layer.name not in made:
            replacement = parts(layer)
            made[layer.name] = [one for one, _ in replacement]
            weights += replacement
        arguments, options = tf.nest.map_structure(new, (node.call_args, node.call_kwargs))
        first, *others = made[layer.name]
        result = first(*arguments, **options)
        for other in others:
            result = other(result)
        for old, fresh in zip(tf.nest.flatten(node.outputs), tf.nest.flatten(result), strict=True):
            tensors[id(old)] = fresh
    inputs, outputs = tf.nest.map_structure(new, (network.inputs, network.outputs))
    model = keras.Model(_single(inputs), _single(outputs), name=network.name)
    for layer, arrays in weights:
        if arrays:
            layer.set_weights(arrays)
    return model


def _single(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors
