"""What the scalar kernels must know of a core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """A processor core without SIMD, with signed byte loads and high products.

    Attributes:
        pixels: rows of input in a tile.
        channels: output channels in a tile, even; weights are laid out in blocks of as many.
        product: instructions for one multiply-accumulate of a tile, emulated.
        output: instructions for one output beyond its products, emulated.
        tap: instructions for one product of the sliding depthwise kernel, emulated.
        packed_pixels: as `pixels`, of a tile with weights packed in pairs.
        packed_product: chunk -> as `product`, with weights packed in pairs.
    """

    pixels: int
    channels: int
    product: float
    output: float
    tap: float
    packed_pixels: int
    packed_product: Mapping[int, float]
