"""What the scalar kernels must know of a core."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """A processor core without SIMD.

    Attributes:
        pixels: rows of input in a tile.
        channels: output channels in a tile; weights are laid out in blocks of as many.
        wide_weights: the core loads no signed bytes, so that weights are stored as int16.
        product: instructions for one multiply-accumulate of a tile, emulated.
        output: instructions for one output beyond its products, emulated.
        tap: instructions for one product of the sliding depthwise kernel, emulated.
    """

    pixels: int
    channels: int
    wide_weights: bool
    product: float
    output: float
    tap: float
