"""The kernels of a network that techniques on single weights change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.training.constraints import kernels


@dataclass(frozen=True)
class Kernel:
    """A kernel variable.

    Attributes:
        place: among `pipeline.training.constraints.kernels` of the network.
        layer: it is of.
        name: "kernel", "depthwise_kernel" or "pointwise_kernel".
    """

    place: int
    layer: Any
    name: str
    variable: Any

    @property
    def label(self) -> str:
        """The layer's name; with the kernel's where the layer has two."""
        two = type(self.layer).__name__ == "SeparableConv2D"
        return f"{self.layer.name}/{self.name}" if two else str(self.layer.name)

    @property
    def is_depthwise(self) -> bool:
        return self.name == "depthwise_kernel"


def named_kernels(network: Any) -> list[Kernel]:
    """The trained kernels of dense and convolutional layers, in the order of the layers."""
    owners = {id(weight): layer for layer in network.layers for weight in layer.weights}
    return [
        Kernel(
            place, owners[id(variable)], variable.name.rsplit("/", 1)[-1].split(":")[0], variable
        )
        for place, variable in enumerate(kernels(network))
    ]
