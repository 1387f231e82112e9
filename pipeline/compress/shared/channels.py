"""Which channels of a network can only be removed together.

Every channel of every tensor gets the number of the channel that it stands and falls with. A
convolution or dense layer gives new numbers; ReLU, pooling, normalization and depthwise convolution
hand them on; a sum or product makes those of its operands the same, position by position; a
concatenation puts them one after the other; flattening repeats them for every pixel. Residuals,
squeeze-and-excitation and concatenations need no case of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.compress.shared.rebuild import calls
from pipeline.training.tensorflow_setup import tensorflow

Numbers = npt.NDArray[np.int64]

_PRODUCERS = ("Conv2D", "Dense", "SeparableConv2D")
_HAND_ON = (
    *("BatchNormalization", "ReLU", "LeakyReLU", "Dropout", "SpatialDropout2D", "Activation"),
    *("MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"),
    *("ZeroPadding2D", "Cropping2D", "UpSampling2D", "Rescaling"),
)
_ELEMENTWISE = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
# TensorFlow functions in a Keras model: of one tensor and scalars, or of tensors of one shape.
_FUNCTIONS = (
    *("__operators__.add", "__operators__.sub", "__operators__.mul", "__operators__.truediv"),
    *("math.add", "math.subtract", "math.multiply", "math.divide", "math.maximum", "math.minimum"),
    *("nn.relu", "nn.relu6", "clip_by_value", "math.tanh", "math.sigmoid"),
)


@dataclass(frozen=True)
class Wiring:
    """A layer's numbers: of the channels it reads, and of those it writes."""

    layer: Any
    reads: Numbers
    writes: Numbers

    @property
    def is_producer(self) -> bool:
        return type(self.layer).__name__ in _PRODUCERS


@dataclass(frozen=True)
class Channels:
    """A network's channels.

    Attributes:
        wirings: of the layers whose weights can be cut, by name. A number is the same wherever
            channels stand and fall together.
        fixed: number -> why these channels stay.
    """

    wirings: Mapping[str, Wiring]
    fixed: Mapping[int, str]

    @property
    def producers(self) -> dict[str, Wiring]:
        """Convolutions and dense layers, whose output channels are what can be removed."""
        return {name: wiring for name, wiring in self.wirings.items() if wiring.is_producer}

    def numbers(self, producers: Iterable[str]) -> set[int]:
        """Those that these layers write."""
        return {n for name in producers for n in self.wirings[name].writes.tolist()}

    def tied(self) -> list[list[str]]:
        """Producers in groups that share numbers, in the network's order."""
        groups: list[tuple[set[int], list[str]]] = []
        for name, wiring in self.producers.items():
            numbers, names = set(wiring.writes.tolist()), [name]
            for group in [group for group in groups if group[0] & numbers]:
                groups.remove(group)
                numbers, names = numbers | group[0], [*group[1], *names]
            groups.append((numbers, names))
        order = list(self.producers)
        return sorted(
            (sorted(n, key=order.index) for _, n in groups), key=lambda n: order.index(n[0])
        )


def trace(network: Any) -> Channels:
    """The channels of a functional or sequential tf_keras model.

    Those of its inputs and outputs are fixed, and so are those that a layer reads or writes which
    is not known here, or which is called in two places.
    """
    return _Tracer().run(network)


class _Tracer:
    """Union-find over numbers while the network is walked through."""

    def __init__(self) -> None:
        self._above: list[int] = []
        self._reasons: list[tuple[int, str]] = []
        self._tensors: dict[int, Numbers] = {}
        self._wirings: dict[str, tuple[Any, Numbers, Numbers]] = {}

    def run(self, network: Any) -> Channels:
        tf = tensorflow()
        seen: set[str] = set()
        for node in calls(network):
            inputs = [] if node.is_input else tf.nest.flatten(node.keras_inputs)
            outputs = tf.nest.flatten(node.outputs)
            name = node.layer.name
            numbers = None
            if not node.is_input and len(outputs) == 1 and name not in seen:
                read = [self._tensors[id(tensor)] for tensor in inputs]
                numbers = self._written(node, read, outputs[0].shape)
            if numbers is None:
                self._fix_around(node, inputs, outputs, twice=name in seen)
            else:
                self._tensors[id(outputs[0])] = numbers
            seen.add(name)
        given = np.concatenate([self._tensors[id(tensor)] for tensor in network.outputs])
        last = [(int(number), "it gives the network's output") for number in given]
        root = np.array([self._root(number) for number in range(len(self._above))], np.int64)
        wirings = {
            name: Wiring(layer, root[reads], root[writes])
            for name, (layer, reads, writes) in self._wirings.items()
        }
        fixed: dict[int, str] = {}
        for number, reason in (*last, *self._reasons):
            fixed.setdefault(int(root[number]), reason)
        return Channels(wirings, fixed)

    def _fix_around(self, node: Any, inputs: list[Any], outputs: list[Any], twice: bool) -> None:
        """Keeps all channels that a call reads and writes."""
        if node.is_input:
            reason = "it is the network's input"
        elif twice:
            reason = f"{node.layer.name} is called in two places"
        else:
            reason = f"{node.layer.name} ({_kind(node.layer)}) needs all of them"
        if twice and node.layer.name in self._wirings:
            _, reads, writes = self._wirings.pop(node.layer.name)
            self._fix(np.concatenate([reads, writes]), reason)
        for tensor in inputs:
            self._fix(self._tensors[id(tensor)], reason)
        for tensor in outputs:
            self._tensors[id(tensor)] = self._new(tensor.shape[-1] or 0)
            self._fix(self._tensors[id(tensor)], reason)

    def _written(self, node: Any, read: list[Numbers], shape: Any) -> Numbers | None:
        """The numbers of a call's output; None where the layer is not known."""
        layer, kind = node.layer, type(node.layer).__name__
        is_lambda = kind == "TFOpLambda"
        if is_lambda and (_kind(layer) not in _FUNCTIONS or not _only_scalars(node)):
            return None
        if kind in _ELEMENTWISE or (is_lambda and len(read) > 1):
            return self._sum(read)
        if kind == "Concatenate":
            # Along another axis the operands' channels are the same ones.
            joins = len(read[0]) != shape[-1] or len(read) == 1
            return np.concatenate(read) if joins else self._sum(read)
        if len(read) != 1:
            return None
        if is_lambda or (kind in _HAND_ON and _is_channelwise(layer)):
            if layer.weights:
                self._wirings[layer.name] = (layer, read[0], read[0])
            return read[0]
        rule: Callable[..., Numbers | None] | None = _RULES.get(kind)
        return None if rule is None else rule(self, layer, read[0], shape)

    def producer(self, layer: Any, read: Numbers, shape: Any) -> Numbers | None:
        if getattr(layer, "groups", 1) != 1:
            return None
        written = self._new(shape[-1])
        if layer.activation.__name__ == "softmax":
            self._fix(written, f"the softmax of {layer.name} is over all of them")
        self._wirings[layer.name] = (layer, read, written)
        return written

    def depthwise(self, layer: Any, read: Numbers, shape: Any) -> Numbers:
        written = np.repeat(read, layer.depth_multiplier)
        self._wirings[layer.name] = (layer, read, written)
        return written

    def flattened(self, layer: Any, read: Numbers, shape: Any) -> Numbers | None:
        if layer.data_format != "channels_last":
            return None
        return np.tile(read, shape[-1] // len(read))

    def reshaped(self, layer: Any, read: Numbers, shape: Any) -> Numbers | None:
        """As squeeze-and-excitation reshapes: (channels) to (1, 1, channels)."""
        if shape[-1] != len(read):
            return None
        self._wirings[layer.name] = (layer, read, read)
        return read

    def _new(self, count: int) -> Numbers:
        first = len(self._above)
        self._above.extend(range(first, first + count))
        return np.arange(first, first + count)

    def _fix(self, numbers: Numbers, reason: str) -> None:
        self._reasons.extend((int(number), reason) for number in numbers)

    def _root(self, number: int) -> int:
        while self._above[number] != number:
            self._above[number] = self._above[self._above[number]]
            number = self._above[number]
        return number

    def _sum(self, operands: list[Numbers]) -> Numbers:
        """Operands of one channel are broadcast: theirs is not tied to any other."""
        widest = max(operands, key=len)
        for operand in operands:
            if len(operand) != len(widest):
                self._fix(operand, "it is added to all channels")
                continue
            for one, other in zip(operand.tolist(), widest.tolist(), strict=True):
                self._above[self._root(one)] = self._root(other)
        return widest


_RULES: Mapping[str, Callable[..., Numbers | None]] = {
    **dict.fromkeys(_PRODUCERS, _Tracer.producer),
    "DepthwiseConv2D": _Tracer.depthwise,
    "Flatten": _Tracer.flattened,
    "Reshape": _Tracer.reshaped,
}


def _kind(layer: Any) -> str:
    kind = type(layer).__name__
    return str(layer.get_config()["function"]) if kind == "TFOpLambda" else kind


def _is_channelwise(layer: Any) -> bool:
    """Whether a layer computes every channel from that channel alone."""
    activation = getattr(layer, "activation", None)
    if activation is not None and activation.__name__ == "softmax":
        return False
    axis = getattr(layer, "axis", None)
    return axis is None or list(axis)[-1:] == [len(layer.input_shape) - 1]


def _only_scalars(node: Any) -> bool:
    """Whether a call has no constant with channels of its own."""
    tensors = {id(tensor) for tensor in tensorflow().nest.flatten(node.keras_inputs)}
    given: Iterable[Any] = tensorflow().nest.flatten((node.call_args, node.call_kwargs))
    return all(id(item) in tensors or np.ndim(item) == 0 for item in given if item is not None)


def cut(wiring: Wiring, removed: frozenset[int]) -> tuple[Any, list[npt.NDArray[np.float32]]]:
    """A layer without the channels whose numbers are removed, and its weights."""
    reads = np.flatnonzero(~np.isin(wiring.reads, list(removed)))
    writes = np.flatnonzero(~np.isin(wiring.writes, list(removed)))
    layer, kind = wiring.layer, type(wiring.layer).__name__
    config, weights = layer.get_config(), layer.get_weights()
    if kind == "Dense":
        config["units"] = len(writes)
        weights = [weights[0][reads][:, writes], *(bias[writes] for bias in weights[1:])]
    elif kind == "Conv2D":
        config["filters"] = len(writes)
        weights = [weights[0][:, :, reads][..., writes], *(bias[writes] for bias in weights[1:])]
    elif kind == "DepthwiseConv2D":
        weights = [weights[0][:, :, reads], *(bias[writes] for bias in weights[1:])]
    elif kind == "SeparableConv2D":
        config["filters"] = len(writes)
        between = np.repeat(np.isin(np.arange(len(wiring.reads)), reads), layer.depth_multiplier)
        pointwise = weights[1][:, :, between][..., writes]
        biases = [bias[writes] for bias in weights[2:]]
        weights = [weights[0][:, :, reads], pointwise, *biases]
    elif kind == "Reshape":
        config["target_shape"] = (*config["target_shape"][:-1], len(writes))
    else:  # normalization
        weights = [array[reads] for array in weights]
    return type(layer).from_config(config), weights
