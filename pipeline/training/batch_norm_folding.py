"""Whether conversion folded batch normalization into the weights before it, as it should.

At inference batch normalization is y = s x + t with s = gamma / sqrt(variance + epsilon) and
t = beta - mean s, so that behind a linear layer w it costs nothing: the weights become s w, the
bias s b + t (arXiv:1712.05877, section 3.2). The .tflite is searched for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError
from pipeline.graph import Graph, Operator, Tensor

Array = npt.NDArray[np.float64]

_FOLDING = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense")
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
# Nothing is left of these at inference.
_TRANSPARENT = ("Dropout", "SpatialDropout2D", "GaussianNoise", "ActivityRegularization")
# What the converter may fold into the weights beside batch normalization, in ways of its own.
_ARITHMETIC = ("Rescaling", "Normalization", "Lambda", "TFOpLambda", "SlicingOpLambda")
# Half a step, and what float32 rounds off before: 2^-24 of 127 steps and of the bias.
_WEIGHT_STEPS = 0.501
_BIAS_ERROR = 1e-6


@dataclass(frozen=True, eq=False)
class _Expected:
    """A linear layer with the batch normalizations behind it.

    Attributes:
        weights: (output channels, rows, columns, input channels of one output channel), folded.
        bias: (output channels,), folded.
        input_scales: (input channels,) of a batch normalization in front, which the converter may
            fold into the weights behind it too; None where there is none.
        scale, shift: s and t of the normalizations, (output channels,) each.
        decidable: False beside a layer whose arithmetic may be folded in as well.
    """

    layer: str
    normalizations: tuple[str, ...]
    weights: Array
    bias: Array
    input_scales: Array | None
    scale: Array
    shift: Array
    decidable: bool


def verify_folding(network: Any, graph: Graph) -> tuple[str, ...]:
    """Looks for the folded weights of every batch normalization behind a linear layer.

    Those in front of one, or behind a layer that is not linear or that others read too, cannot be
    folded into it and are passed over.

    Args:
        network: the tf_keras model that was converted, without simulated quantization.
        graph: what became of it.

    Returns:
        Names of the batch normalizations that were found folded, within half a quantization step of
        every weight and bias.

    Raises:
        ModelError: the weights of one are nowhere, or it is computed besides.
    """
    verified: list[str] = []
    for expected in _expectations(network):
        found = [op for op in graph.operators if _holds(op, expected)]
        left = _left_over(expected, found, graph)
        if found and left is None:
            verified += expected.normalizations
        elif expected.decidable:
            raise ModelError(
                f"convert: batch normalization {' and '.join(expected.normalizations)} is not "
                f"folded into {expected.layer}: {_what_is_wrong(found, left)}",
                "report the model: what was converted may not be what was trained",
            )
    return tuple(verified)


def _what_is_wrong(found: Sequence[Operator], left: Operator | None) -> str:
    if left is not None:
        return f"op {left.index} {left.kind} is left over of it"
    assert not found
    return "no operator has the folded weights within half a quantization step"


# --- what is expected -----------------------------------------------------------------------------


def _expectations(network: Any, is_inner: bool = False) -> Iterator[_Expected]:
    """`is_inner` of a model in the model: what stands before and behind it is not looked at."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from _expectations(layer, is_inner=True)
        if type(layer).__name__ not in _FOLDING or not _is_linear(layer):
            continue
        if len(layer.inbound_nodes) != 1:  # used in several places
            continue
        chain, last = [], _next(layer, network)
        while last is not None and _is_normalization(last):
            chain.append(last)
            last = _next(last, network)
        if chain:
            before = _before(layer, network)
            decidable = not is_inner and not _is_arithmetic(before) and not _is_arithmetic(last)
            yield _expected(layer, chain, before, decidable)


def _expected(layer: Any, chain: Sequence[Any], before: Any, decidable: bool) -> _Expected:
    weights, bias = _canonical(layer)
    scale, shift = np.ones(len(weights)), np.zeros(len(weights))
    for normalization in chain:
        factor, offset = _affine(normalization)
        scale, shift = scale * factor, shift * factor + offset
    normalized = before is not None and _is_normalization(before)
    return _Expected(
        layer=layer.name,
        normalizations=tuple(normalization.name for normalization in chain),
        weights=weights * scale[:, None, None, None],
        bias=bias * scale + shift,
        input_scales=_affine(before)[0] if normalized else None,
        scale=scale,
        shift=shift,
        decidable=decidable,
    )


def _is_linear(layer: Any) -> bool:
    activation = getattr(layer, "activation", None)
    return activation is None or activation.__name__ == "linear"


def _is_normalization(layer: Any) -> bool:
    """Over the last axis, the channels."""
    if type(layer).__name__ != "BatchNormalization":
        return False
    axes = layer.axis if isinstance(layer.axis, list | tuple) else (layer.axis,)
    return list(axes) in ([-1], [len(layer.input_shape) - 1])


def _is_arithmetic(layer: Any) -> bool:
    if layer is None:
        return False
    is_own = not type(layer).__module__.startswith(("tf_keras.", "keras."))
    return is_own or hasattr(layer, "layers") or type(layer).__name__ in _ARITHMETIC


def _next(layer: Any, network: Any) -> Any:
    """The one layer of which something is left at inference that reads this one, or None."""
    while layer is not None:
        readers = [node.layer for node in layer.outbound_nodes if node.layer in network.layers]
        is_output = any(layer.output is output for output in network.outputs or ())
        layer = readers[0] if len(readers) == 1 and not is_output else None
        if type(layer).__name__ not in _TRANSPARENT:
            return layer
    return None


def _before(layer: Any, network: Any) -> Any:
    """The one layer of which something is left at inference that this one reads, or None."""
    while True:
        sources = [node.inbound_layers for node in layer.inbound_nodes]
        if len(sources) != 1 or isinstance(sources[0], list | tuple):
            return None
        (layer,) = sources
        if layer not in network.layers:
            return None
        if type(layer).__name__ not in _TRANSPARENT:
            return layer


def _affine(normalization: Any) -> tuple[Array, Array]:
    """(s, t), each (channels,)."""

    def values(name: str, default: float) -> Array:
        variable = getattr(normalization, name)
        if variable is None:
            return np.full(normalization.moving_mean.shape, default)
        return np.asarray(variable.numpy(), np.float64)

    variance = values("moving_variance", 1.0)
    scale = values("gamma", 1.0) / np.sqrt(variance + normalization.epsilon)
    return scale, values("beta", 0.0) - values("moving_mean", 0.0) * scale


def _canonical(layer: Any) -> tuple[Array, Array]:
    """Weights (output channels, rows, columns, inputs of one) and bias (output channels,)."""
    kind = type(layer).__name__
    if kind == "DepthwiseConv2D":
        kernel = np.asarray(layer.depthwise_kernel.numpy(), np.float64)
        weights = kernel.reshape(*kernel.shape[:2], -1).transpose(2, 0, 1)[..., None]
    else:
        variable = layer.pointwise_kernel if kind == "SeparableConv2D" else layer.kernel
        kernel = np.asarray(variable.numpy(), np.float64)
        if kind == "Dense":
            kernel = kernel[None, None]
        weights = kernel.transpose(3, 0, 1, 2)
    bias = np.zeros(len(weights)) if layer.bias is None else layer.bias.numpy()
    return weights, np.asarray(bias, np.float64)


# --- what there is --------------------------------------------------------------------------------


def _holds(op: Operator, expected: _Expected) -> bool:
    """Whether the operator has the expected weights and bias within half a step."""
    if op.kind not in _WEIGHTED or not op.input(1).is_constant:
        return False
    stored, scales = _stored_weights(op)
    if stored.shape != expected.weights.shape:
        return False
    limits = _WEIGHT_STEPS * scales[:, None, None, None]

    def near(weights: Array) -> bool:
        return bool((np.abs(stored - weights) <= limits).all())

    in_front = expected.input_scales
    if (
        in_front is not None
        and len(in_front) == stored.shape[3]
        and near(expected.weights * in_front)
    ):
        return True  # the bias holds what its shift makes, which depends on the padding
    bias, steps = _stored_bias(op, scales)
    error = np.abs(bias - expected.bias)
    limits_of_bias = _WEIGHT_STEPS * steps + _BIAS_ERROR * np.abs(expected.bias)
    return near(expected.weights) and bool((error <= limits_of_bias).all())


def _stored_weights(op: Operator) -> tuple[Array, Array]:
    """Real weights as `_canonical` has them, and a scale for every output channel."""
    tensor = op.input(1)
    assert tensor.data is not None
    assert tensor.quantization is not None
    values = np.asarray(tensor.data, np.float64)
    if op.kind == "DEPTHWISE_CONV_2D":
        values = values[0].transpose(2, 0, 1)[..., None]
    elif op.kind == "FULLY_CONNECTED":
        values = values[:, None, None, :]
    scales = np.broadcast_to(np.asarray(tensor.quantization.scales), len(values))
    return values * scales[:, None, None, None], scales


def _stored_bias(op: Operator, weight_scales: Array) -> tuple[Array, Array]:
    """Real bias and its steps, (output channels,) each."""
    tensor = op.optional_input(2)
    if tensor is None or tensor.data is None or tensor.quantization is None:
        return np.zeros(len(weight_scales)), op.input(0).scale * weight_scales
    steps = np.broadcast_to(np.asarray(tensor.quantization.scales), tensor.size)
    return np.asarray(tensor.data, np.float64) * steps, steps


def _left_over(expected: _Expected, found: Sequence[Operator], graph: Graph) -> Operator | None:
    """An operator that multiplies by s or adds t: behind the folded weights, or anywhere where
    there are none."""
    places = {op.output for op in found}
    for op in graph.operators:
        if op.kind not in ("MUL", "ADD"):
            continue
        constants = [t for t in op.inputs if t is not None and t.is_constant]
        wanted = expected.scale if op.kind == "MUL" else expected.shift
        reads_it = not found or any(tensor in places for tensor in op.inputs)
        if reads_it and any(_is_constant_of(tensor, wanted) for tensor in constants):
            return op
    return None


def _is_constant_of(tensor: Tensor, values: Array) -> bool:
    if tensor.size != len(values) or tensor.quantization is None or tensor.data is None:
        return False
    stored = (np.asarray(tensor.data, np.float64).ravel() - tensor.zero_point) * tensor.scale
    return bool((np.abs(stored - values) <= _WEIGHT_STEPS * tensor.scale).all())
