"""What the scalar kernels must know of a core."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """A processor core without SIMD.

    Attributes:
        pixels: rows of input in a tile.
        channels: output channels in a tile; weights are laid out in blocks of as many.
        product: instructions for one multiply-accumulate of a tile, emulated.
        output: instructions for one output beyond its products, emulated.
    """

    pixels: int
    channels: int
    product: float
    output: float
