"""What the scalar kernels must know of a core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Core:
    """A processor core without SIMD.

    Attributes:
        pixels: rows of input in a tile.
        channels: output channels in a tile, even; weights are laid out in blocks of as many.
        flips: the core loads no signed bytes: weights are stored as int16, and inputs are copied
            with their sign bits flipped.
        multiplies_high: it has an instruction for the upper half of a product.
        together: outputs that the depthwise kernel computes at once from weights it reads again; 1
            where a channel's weights stay in registers.
        product: instructions for one multiply-accumulate of a tile, emulated.
        output: instructions for one output beyond its products, emulated.
        tap: instructions for one product of the sliding depthwise kernel, emulated.
        packed_pixels: as `pixels`, of a tile with weights packed in pairs; 0 where the core has too
            few registers for it.
        packed_product: chunk -> as `product`, with weights packed in pairs.
    """

    pixels: int
    channels: int
    flips: bool
    multiplies_high: bool
    together: int
    product: float
    output: float
    tap: float
    packed_pixels: int
    packed_product: Mapping[int, float]
