"""What tfmot cannot train quantization-aware, said in layers that it can.

tfmot 0.8.1 knows neither arithmetic on tensors (Keras's TFOpLambda) nor Multiply: no hard-swish, no
squeeze-and-excitation. Batch normalization behind a dense layer it would compute by itself, also on
the device. Of a separable convolution it makes two layers with names that Keras counts up: where
another layer has that name, it mixes up their weights.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.compress.shared.rebuild import Parts, calls, same
from pipeline.errors import ModelError
from pipeline.training.tensorflow_setup import tensorflow

_SCALE = 1 / 6  # of the hard sigmoid relu6(x + 3) / 6


@functools.cache
def own_layers() -> Mapping[str, type[Any]]:
    """The layers that `quantizable` uses of its own, by name."""
    tf = tensorflow()
    import tf_keras as keras

    class HardSigmoid(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return tf.nn.relu6(inputs + 3.0) * _SCALE

    class HardSwish(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:  # conversion makes one HARD_SWISH of it
            return inputs * tf.nn.relu6(inputs + 3.0) * _SCALE

    return {"HardSigmoid": HardSigmoid, "HardSwish": HardSwish}


def quantizable(network: Any) -> Any:
    """The same function in other layers: relu6(x + 3) / 6 in one, x times that in one, batch
    normalization behind a linear dense layer in its weights, separable convolutions in two.

    Raises:
        ModelError: arithmetic is left that has no layer.
    """
    tf = tensorflow()
    import tf_keras as keras

    graph = _Graph(network)
    tensors: dict[int, Any] = {}
    made: dict[str, Parts] = {}

    def new(tensor: Any) -> Any:
        return tensors.get(id(tensor), tensor)

    for node in calls(network):
        if node.is_input:
            shape, batch = node.outputs.shape[1:], node.outputs.shape[0]
            tensors[id(node.outputs)] = keras.Input(shape, batch, name=node.layer.name)
            continue
        if id(node) in graph.inner:
            continue
        if node.layer.name not in made:
            made[node.layer.name] = _parts(node, graph)
        given = graph.sources.get(id(node), (node.call_args, node.call_kwargs))
        arguments, options = tf.nest.map_structure(new, given)
        (first, _), *others = made[node.layer.name]
        result = first(*arguments, **options)
        for other, _ in others:
            result = other(result)
        flat = zip(tf.nest.flatten(node.outputs), tf.nest.flatten(result), strict=True)
        tensors |= {id(old): fresh for old, fresh in flat}
    inputs, outputs = ([new(t) for t in ends] for ends in (network.inputs, network.outputs))
    if len(inputs) == len(outputs) == 1:
        inputs, outputs = inputs[0], outputs[0]
    prepared = keras.Model(inputs, outputs, name=network.name)
    for layer, arrays in (part for parts in made.values() for part in parts):
        layer.set_weights(arrays)
    return prepared


def _parts(node: Any, graph: _Graph) -> Parts:
    """The layers that a call becomes, and their weights."""
    layer, kind = node.layer, type(node.layer).__name__
    if id(node) in graph.fused:
        return [(own_layers()[graph.fused[id(node)]](name=layer.name), [])]
    if id(node) in graph.folded:
        dense = graph.folded[id(node)]
        config = {**dense.get_config(), "use_bias": True}
        return [(type(dense).from_config(config), _folded(dense, layer))]
    if kind == "TFOpLambda":
        raise ModelError(
            f"qat: {layer.name} is arithmetic that tfmot cannot simulate",
            'use a layer for it, or set [quantization] mode = "ptq"',
        )
    return _separated(layer) if kind == "SeparableConv2D" else same(layer)


class _Graph:
    """Which calls of a network belong together.

    Attributes:
        fused: id of the last call -> the own layer that it and some `inner` ones become.
        folded: id of a batch normalization's call -> the dense layer before it.
        inner: ids of calls that are in another one.
        sources: id of such another one -> what it is called with in place of its own arguments.
    """

    def __init__(self, network: Any) -> None:
        tf = tensorflow()
        nodes = list(calls(network))
        self._producers = {id(t): node for node in nodes for t in tf.nest.flatten(node.outputs)}
        self._uses: dict[int, int] = {id(t): 1 for t in network.outputs}
        for node in nodes:
            for tensor in tf.nest.flatten((node.call_args, node.call_kwargs)):
                self._uses[id(tensor)] = self._uses.get(id(tensor), 0) + 1
        self.fused: dict[int, str] = {}
        self.folded: dict[int, Any] = {}
        self.inner: set[int] = set()
        self.sources: dict[int, tuple[Any, Any]] = {}
        for node in nodes:
            self._hard_sigmoid(node)
        for node in nodes:
            self._hard_swish(node)
            self._dense_normalization(node)

    def _before(self, node: Any) -> Any:
        """The call whose output is the first argument and read by nothing else; else None."""
        tensor = node.call_args[0] if node.call_args else None
        known = id(tensor) in self._producers and self._uses[id(tensor)] == 1
        return self._producers[id(tensor)] if known else None

    def _hard_sigmoid(self, node: Any) -> None:
        if not _is_arithmetic(node, "math.multiply", _SCALE):
            return
        relu = self._before(node)
        if relu is None or not _is_relu6(relu.layer):
            return
        shift = self._before(relu)
        if shift is not None and _is_arithmetic(shift, "__operators__.add", 3.0):
            self.fused[id(node)] = "HardSigmoid"
            self.sources[id(node)] = (shift.call_args[:1], {})
            self.inner |= {id(relu), id(shift)}

    def _hard_swish(self, node: Any) -> None:
        if type(node.layer).__name__ != "Multiply" or len(node.call_args[0]) != 2:
            return
        for x, weight in (node.call_args[0], reversed(node.call_args[0])):
            sigmoid = self._producers[id(weight)]
            if self.fused.get(id(sigmoid)) != "HardSigmoid" or self._uses[id(weight)] != 1:
                continue
            (source,), _ = self.sources[id(sigmoid)]
            if source is x:
                self.fused[id(node)] = "HardSwish"
                self.sources[id(node)] = ((x,), {})
                self.inner.add(id(sigmoid))
                return

    def _dense_normalization(self, node: Any) -> None:
        if type(node.layer).__name__ != "BatchNormalization":
            return
        dense = self._before(node)
        if (
            dense is not None
            and type(dense.layer).__name__ == "Dense"
            and dense.layer.activation.__name__ == "linear"
            and len(dense.layer.inbound_nodes) == len(node.layer.inbound_nodes) == 1
        ):
            self.folded[id(node)] = dense.layer
            self.sources[id(node)] = (dense.call_args, dense.call_kwargs)
            self.inner.add(id(dense))


def _is_arithmetic(node: Any, function: str, constant: float) -> bool:
    if type(node.layer).__name__ != "TFOpLambda":
        return False
    # A loaded model has the second operand by name.
    second = node.call_args[1] if len(node.call_args) > 1 else node.call_kwargs.get("y")
    is_constant = isinstance(second, int | float) and math.isclose(second, constant, rel_tol=1e-6)
    return is_constant and node.layer.get_config()["function"] == function


def _is_relu6(layer: Any) -> bool:
    if type(layer).__name__ != "ReLU" or layer.max_value is None:
        return False
    return bool(float(layer.max_value) == 6 and layer.negative_slope == layer.threshold == 0)


def _separated(layer: Any) -> Parts:
    """A separable convolution as a depthwise one and one of 1x1, which has its bias."""
    from tf_keras import layers

    config = layer.get_config()
    shared = ("padding", "data_format", "dilation_rate", "strides", "kernel_size")
    depthwise = layers.DepthwiseConv2D(
        **{key: config[key] for key in shared},
        depth_multiplier=layer.depth_multiplier,
        use_bias=False,
        name=f"{layer.name}_depthwise",
    )
    pointwise = layers.Conv2D(
        layer.filters, 1, use_bias=layer.use_bias, activation=config["activation"], name=layer.name
    )
    kernel, *others = layer.get_weights()
    return [(depthwise, [kernel]), (pointwise, others)]


def _folded(dense: Any, normalization: Any) -> list[Any]:
    """Kernel and bias of both (arXiv:1712.05877, section 3.2)."""
    kernel, *bias = dense.get_weights()
    mean = normalization.moving_mean.numpy()
    deviation = np.sqrt(normalization.moving_variance.numpy() + normalization.epsilon)
    gamma = normalization.gamma.numpy() if normalization.scale else np.ones_like(mean)
    beta = normalization.beta.numpy() if normalization.center else np.zeros_like(mean)
    scale = gamma / deviation
    shift = beta - mean * scale
    return [kernel * scale, (bias[0] * scale if bias else 0.0) + shift]
