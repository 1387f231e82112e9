"""Typed form of a .tflite model: what every later stage reads instead of the flatbuffer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

Shape = tuple[int, ...]


class DType(Enum):
    """Element type of a tensor; the value is the numpy name."""

    BOOL = "bool"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.value)

    @property
    def size_bytes(self) -> int:
        return self.numpy.itemsize


@dataclass(frozen=True)
class Quantization:
    """Affine quantization: real = scale * (q - zero_point).

    Attributes:
        scales: one value per tensor, or one per slice along `axis`. Each is the float32 of the
            file, widened exactly to a Python float.
        zero_points: as many as `scales`.
        axis: the quantized dimension; meaningful only where there is more than one scale.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of the graph; compared and hashed by identity.

    Attributes:
        index: position in the .tflite subgraph.
        shape: dimensions, row major, batch first (NHWC for images).
        data: the constant's values with `shape`, or None for an activation.
    """

    index: int
    name: str
    shape: Shape
    dtype: DType
    quantization: Quantization | None = None
    data: npt.NDArray[Any] | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.size * self.dtype.size_bytes

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def scale(self) -> float:
        """The per-tensor scale. Raises ValueError where there is none or more than one."""
        return self._per_tensor().scales[0]

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point. Raises ValueError where there is none or more than one."""
        return self._per_tensor().zero_points[0]

    def _per_tensor(self) -> Quantization:
        if self.quantization is None or self.quantization.per_channel:
            raise ValueError(f"tensor {self.index} ({self.name}) has no per-tensor quantization")
        return self.quantization


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator of the graph; compared and hashed by identity.

    Attributes:
        index: position in the .tflite subgraph, which is execution order.
        kind: TFLite's builtin operator name, e.g. "CONV_2D" ("CUSTOM:<name>" for custom ones).
        version: the operator version of the file.
        inputs: tensors in TFLite's order; None where an optional input is absent.
        attributes: the typed attributes of the operator's module in `pipeline.ops`, or None where
            the operator has none or is unknown to `pipeline.ops`.
    """

    index: int
    kind: str
    version: int
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    attributes: Any = None

    def input(self, position: int) -> Tensor:
        """The input at `position`. Raises ValueError where it is absent."""
        tensor = self.inputs[position] if position < len(self.inputs) else None
        if tensor is None:
            raise ValueError(f"op {self.index} {self.kind} has no input {position}")
        return tensor

    def optional_input(self, position: int) -> Tensor | None:
        return self.inputs[position] if position < len(self.inputs) else None

    @property
    def output(self) -> Tensor:
        """The only output."""
        (tensor,) = self.outputs
        return tensor


@dataclass(frozen=True, eq=False)
class Graph:
    """One subgraph with its operators in execution order."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
