"""Kernels of dense layers and convolutions as products, by singular value decomposition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Scheme: TypeAlias = Literal["channel", "spatial"]
Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Factors:
    """A kernel's singular value decomposition.

    Attributes:
        scheme: of a convolution.
        left: (rows, full rank), scaled by the singular values; right: (full rank, columns).
        singular_values: largest first.
        weights: of the kernel itself.
    """

    layer: Any
    scheme: Scheme
    left: Array
    right: Array
    singular_values: npt.NDArray[np.float64]
    weights: int

    @property
    def full_rank(self) -> int:
        return len(self.singular_values)

    @property
    def weights_per_rank(self) -> int:
        """Weights of the two kernels at rank 1."""
        return len(self.left) + len(self.right[0])

    @property
    def energies(self) -> npt.NDArray[np.float64]:
        """Share of the squared norm that each singular value has."""
        squares = np.square(self.singular_values)
        total = squares.sum()
        return squares / total if total > 0 else np.full(len(squares), 1 / len(squares))

    def kernel(self, rank: int) -> Array:
        """The kernel of this rank nearest to the layer's own, in its shape."""
        product = self.left[:, :rank] @ self.right[:rank]
        shape = tuple(self.layer.kernel.shape)
        if len(shape) == 2 or self.scheme == "channel":
            return product.reshape(shape)
        height, width, channels, filters = shape
        return product.reshape(height, channels, width, filters).transpose(0, 2, 1, 3)

    def retained(self, rank: int) -> float:
        """Share of the squared norm, 0..1."""
        return float(self.energies[:rank].sum())


def factors_of(layer: Any, scheme: Scheme) -> Factors:
    """The decomposition of a Dense or an ordinary Conv2D layer's kernel."""
    kernel = layer.kernel.numpy()
    if type(layer).__name__ == "Dense":
        matrix = kernel
    elif scheme == "channel":
        matrix = kernel.reshape(-1, kernel.shape[-1])
    else:
        height, width, channels, filters = kernel.shape
        # Rows are (height, input channel), columns (width, filter).
        matrix = kernel.transpose(0, 2, 1, 3).reshape(height * channels, width * filters)
    left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    return Factors(
        layer,
        scheme,
        (left * values).astype(np.float32),
        right.astype(np.float32),
        values,
        kernel.size,
    )
