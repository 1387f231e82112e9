"""What can be taken from a network: channels that go together, the rim of a kernel, a residual
branch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pipeline.compress.prune_channels import importances, without_channels
from pipeline.compress.shared.channels import Channels, trace
from pipeline.compress.shared.rebuild import Parts, called_once, calls, rebuilt, same

Kind: TypeAlias = Literal["channels", "kernel", "branch"]

_KERNELS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D")


@dataclass(frozen=True)
class Cut:
    """Attributes:
    kind: "channels" of layers that only lose them together; "kernel", its last rows and columns
        or its rim; "branch", which is added to what goes past it.
    layers: names; of a branch, that of the addition.
    before, after: channels, or the kernel's height; of a branch 1 and 0.
    """

    kind: Kind
    layers: tuple[str, ...]
    before: int
    after: int

    @property
    def place(self) -> tuple[str, ...]:
        """The same for all cuts of one group, kernel or branch."""
        return (self.kind, *self.layers)

    def __str__(self) -> str:
        names = (
            self.layers[0] if len(self.layers) == 1 else f"{self.layers[0]} ... {self.layers[-1]}"
        )
        if self.kind == "branch":
            return f"{names} without its branch"
        what = "channels" if self.kind == "channels" else "high kernel"
        return f"{names} {self.before} -> {self.after} {what}"


def cuts_of(network: Any, multiple: int) -> list[list[Cut]]:
    """For every group of channels, kernel and branch its cuts, the smallest first.

    Args:
        multiple: numbers of channels are multiples of it and, below it, all.
    """
    channels = trace(network)
    found = [
        [
            Cut("channels", names, width, kept)
            for kept in range(width - 1, least - 1, -1)
            if kept % multiple == 0 or kept < multiple
        ]
        for names, width, least in _groups(channels, network)
    ]
    found += [_kernel_cuts(layer) for layer in called_once(network).values()]
    found += [[Cut("branch", (name,), 1, 0)] for name in _past_branches(network)]
    return [cuts for cuts in found if cuts]


def apply_cut(network: Any, cut: Cut) -> Any:
    """A smaller network; channels go by importance, their filters' sums of absolute weights."""
    if cut.kind == "channels":
        channels = trace(network)
        removed = _removable(channels, network, cut.layers)[: cut.before - cut.after]
        return without_channels(network, channels, frozenset(removed))
    replace: Mapping[str, Callable[[Any], Parts]] = {cut.layers[0]: _shrunk_kernel(cut.after)}
    if cut.kind == "branch":
        place = _past_branches(network)[cut.layers[0]]
        replace = {cut.layers[0]: lambda _: [(lambda operands: operands[place], [])]}
    return rebuilt(network, lambda layer: replace.get(layer.name, same)(layer))


# --- channels ------------------------------------------------------------------------------------


def _groups(channels: Channels, network: Any) -> list[tuple[tuple[str, ...], int, int]]:
    """Layers, number of channels, and the least that must stay, of groups that can lose any."""
    found = []
    for names in channels.tied():
        width = len(channels.numbers(names))
        removable = len(_removable(channels, network, names))
        if removable:
            found.append((tuple(names), width, width - removable))
    return found


def _removable(channels: Channels, network: Any, names: Sequence[str]) -> list[int]:
    """Numbers of a group, the least important first, without each layer's most important one."""
    scores = importances(channels, network, "l1")
    last = {
        max(channels.numbers([name]), key=lambda n: (scores.get(n, math.inf), n)) for name in names
    }
    free = (channels.numbers(names) & scores.keys()) - last
    return sorted(free, key=lambda n: (scores[n], n))


# --- kernels -------------------------------------------------------------------------------------


def _kernel_cuts(layer: Any) -> list[Cut]:
    if type(layer).__name__ not in _KERNELS or layer.data_format != "channels_last":
        return []
    height = layer.kernel_size[0]
    sizes = range(height - 1, 0, -1)
    return [
        Cut("kernel", (layer.name,), height, size)
        for size in sizes
        if _offsets(layer, height - size) is not None
    ]


def _offsets(layer: Any, fewer: int) -> tuple[int, int] | None:
    """Row and column at which a kernel of `fewer` rows and columns begins in the layer's, so that
    every weight stays over the pixel that it was over; None where the output would change shape."""
    offsets = []
    for axis in (0, 1):
        size, stride = layer.kernel_size[axis], layer.strides[axis]
        dilation = layer.dilation_rate[axis]
        there, out = layer.input_shape[1 + axis], layer.output_shape[1 + axis]
        if size - fewer < 1 or there is None:
            return None
        before = [
            _padding_before(layer.padding, there, out, stride, (k - 1) * dilation + 1)
            for k in (size, size - fewer)
        ]
        offset, rest = divmod(before[0] - before[1], dilation)
        if (
            layer.padding == "valid"
            and (there - (size - fewer - 1) * dilation - 1) // stride + 1 != out
        ):
            return None
        if rest or not 0 <= offset <= fewer:
            return None
        offsets.append(offset)
    return offsets[0], offsets[1]


def _padding_before(padding: str, there: int, out: int, stride: int, extent: int) -> int:
    """TensorFlow's, in pixels."""
    return 0 if padding == "valid" else max((out - 1) * stride + extent - there, 0) // 2


def _shrunk_kernel(height: int) -> Callable[[Any], Parts]:
    def parts(layer: Any) -> Parts:
        fewer = layer.kernel_size[0] - height
        offsets = _offsets(layer, fewer)
        assert offsets is not None, "the cut is one of _kernel_cuts"
        rows, columns = (
            slice(offset, offset + size - fewer)
            for offset, size in zip(offsets, layer.kernel_size, strict=True)
        )
        config, (kernel, *others) = layer.get_config(), layer.get_weights()
        config["kernel_size"] = tuple(size - fewer for size in layer.kernel_size)
        return [(type(layer).from_config(config), [kernel[rows, columns], *others])]

    return parts


# --- branches ------------------------------------------------------------------------------------


def _past_branches(network: Any) -> dict[str, int]:
    """Additions of a branch to what it began from -> that operand's place."""
    above: dict[int, set[int]] = {}
    found = {}
    for node in calls(network):
        inputs = [] if node.is_input else _flat(node.keras_inputs)
        ancestors = {id(t) for t in inputs}.union(*(above[id(t)] for t in inputs))
        above |= {id(output): ancestors for output in _flat(node.outputs)}
        if type(node.layer).__name__ == "Add" and len(inputs) == 2:
            for place, other in ((0, 1), (1, 0)):
                if id(inputs[place]) in above[id(inputs[other])]:
                    found[node.layer.name] = place
    return found


def _flat(structure: Any) -> list[Any]:
    from pipeline.training.tensorflow_setup import tensorflow

    return list(tensorflow().nest.flatten(structure))
