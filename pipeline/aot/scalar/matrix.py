"""fully_connected_s8 and conv_2d_s8 in tiles of pixels and channels that stay in registers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.aot.cost import Candidate
from pipeline.aot.params import array, integer
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, RenderedKernel
from pipeline.aot.scalar.channels import (
    Int64Array,
    Requantization,
    as_words,
    block_rows,
    requantization,
)
from pipeline.aot.scalar.core import Core
from pipeline.aot.scalar.packing import chunk_of, fold_halves, pair_weights

_MATRIX, _CONV = "scalar_matrix_s8", "scalar_conv_s8"
_MATRIX_CODE_BYTES, _CONV_CODE_BYTES = 1700, 2350
_GATHER_INSTRUCTIONS = 60  # a window, beyond its bytes
_GATHER_BYTE = 1.2
_SCRATCH_BYTES = 768  # of windows, where one tile of them takes less
CONV_FIELDS = (
    "batches",
    "input_height",
    "input_width",
    "input_channels",
    "output_height",
    "output_width",
    "output_channels",
    "kernel_height",
    "kernel_width",
    "stride_height",
    "stride_width",
    "padding_top",
    "padding_left",
    "input_zero_point",
    "output_low",
    "output_high",
)


def matrix_candidates(core: Core, call: KernelCall) -> list[Candidate]:
    """Ways to compute fully_connected_s8 that are proved exact."""
    if call.kernel != "fully_connected_s8":
        return []
    weights = array(call, "weights").reshape(integer(call, "output_size"), -1)
    layouts = _layouts(core, call, weights, array(call, "bias").astype(np.int64))
    return [_matrix(core, call, layout) for layout in layouts]


def _matrix(core: Core, call: KernelCall, layout: _Layout) -> Candidate:
    names = ("rows", "input_size", "output_size", "output_low", "output_high")
    fields: dict[str, FieldValue] = {name: integer(call, name) for name in names}
    rows, inputs, outputs = (integer(call, name) for name in names[:3])
    return Candidate(
        (_rendered(core, call, _MATRIX, fields, layout),),
        instructions=_instructions(core, layout, rows, inputs, outputs),
        code_bytes=_MATRIX_CODE_BYTES,
        const_bytes=layout.const_bytes,
        scratch_bytes=0,
        reason=_reason(core, layout),
    )


def conv_candidates(core: Core, call: KernelCall) -> list[Candidate]:
    """Ways to compute conv_2d_s8, without groups and dilation, that are proved exact."""
    if call.kernel != "conv_2d_s8" or not is_plain(call):
        return []
    outputs = integer(call, "output_channels")
    weights = array(call, "weights").reshape(outputs, -1)
    zero_point = integer(call, "input_zero_point")
    bias = array(call, "bias").astype(np.int64) - zero_point * weights.astype(np.int64).sum(axis=1)
    fields = {name: integer(call, name) for name in CONV_FIELDS}
    return [_conv(core, call, fields, layout) for layout in _layouts(core, call, weights, bias)]


def _conv(core: Core, call: KernelCall, fields: dict[str, int], layout: _Layout) -> Candidate:
    inputs = fields["kernel_height"] * fields["kernel_width"] * fields["input_channels"]
    windows = layout.pixels * max(1, _SCRATCH_BYTES // (layout.pixels * inputs))
    outputs = fields["output_channels"]
    pixels = call.outputs[0].size // outputs
    gather = pixels * (_GATHER_INSTRUCTIONS + _GATHER_BYTE * inputs)
    return Candidate(
        (_rendered(core, call, _CONV, {**fields, "windows": windows}, layout, windows * inputs),),
        instructions=_instructions(core, layout, pixels, inputs, outputs) + round(gather),
        code_bytes=_CONV_CODE_BYTES,
        const_bytes=layout.const_bytes,
        scratch_bytes=windows * inputs,
        reason=_reason(core, layout),
    )


def is_plain(call: KernelCall) -> bool:
    """Without groups and dilation."""
    ungrouped = integer(call, "kernel_channels") == integer(call, "input_channels")
    dilations = (integer(call, "dilation_height"), integer(call, "dilation_width"))
    return ungrouped and dilations == (1, 1)


@dataclass(frozen=True, eq=False)
class _Layout:
    """Weights and channels in the order in which a kernel reads them.

    Attributes:
        chunk: inputs whose products share a word, 1 where weights are not packed in pairs.
        pixels: of a tile.
        product: instructions for one multiply-accumulate of a tile.
    """

    weights: ConstArray
    channels: ConstArray
    requantization: Requantization
    chunk: int
    pixels: int
    product: float

    @property
    def params(self) -> dict[str, FieldValue]:
        return {"weights": self.weights, "channels": self.channels}

    @property
    def const_bytes(self) -> int:
        return self.weights.data.nbytes + self.channels.data.nbytes


def _layouts(
    core: Core, call: KernelCall, weights: npt.NDArray[np.int8], bias: Int64Array
) -> list[_Layout]:
    """All that are proved exact; `weights` is (output channels, inputs)."""
    if len(weights) < core.channels:
        return []
    found = requantization(call, weights, bias, multiplies_high=True)
    if found is None:
        return []
    words = found.words
    rows = block_rows(len(weights), core.channels)
    blocks = np.moveaxis(weights[rows], 1, 2)  # (blocks, inputs, channels)
    channels = ConstArray("channels", as_words(words[rows]))
    plain = ConstArray("weights", blocks.ravel())
    layouts = [_Layout(plain, channels, found, 1, core.pixels, core.product)]
    chunk = chunk_of(weights)
    if chunk is not None:
        folded = as_words(fold_halves(words[rows], weights.shape[1], chunk))
        layouts.append(
            _Layout(
                ConstArray("weights", pair_weights(blocks).ravel()),
                ConstArray("channels", folded),
                found,
                chunk,
                core.packed_pixels,
                core.packed_product[chunk],
            )
        )
    return layouts


def _rendered(
    core: Core,
    call: KernelCall,
    family: str,
    params: dict[str, FieldValue],
    layout: _Layout,
    scratch: int = 0,
) -> KernelCall:
    packed = layout.chunk > 1
    values: tuple[tuple[str, int | str], ...] = (
        ("pixels", layout.pixels),
        ("channels", core.channels),
        ("chunk", layout.chunk),
        ("words", core.channels // 2 if packed else core.channels),
        ("weight_type", "int32_t" if packed else "int8_t"),
        *layout.requantization.values,
    )
    pairs = f"_pairs{layout.chunk}" if packed else ""
    return KernelCall(
        f"{family}_{layout.pixels}x{core.channels}{pairs}{layout.requantization.suffix}",
        {**params, **layout.params},
        call.inputs,
        call.outputs,
        scratch_bytes=scratch,
        family=family,
        rendered=RenderedKernel(f"scalar/{family.removeprefix('scalar_')}.c.j2", values),
    )


def _instructions(core: Core, layout: _Layout, rows: int, inputs: int, outputs: int) -> int:
    tiled = rows - rows % layout.pixels
    # A single row shares no weights: a load for each product, or for two.
    loads = 1.0 if layout.chunk == 1 else 0.5
    products = layout.product * tiled + (layout.product + loads) * (rows - tiled)
    return round(outputs * (inputs * products + rows * core.output))


def _reason(core: Core, layout: _Layout) -> str:
    text = f"scalar: {layout.pixels} pixels x {core.channels} channels in registers"
    if layout.chunk == 1:
        return text
    return f"{text}, weights in pairs: the magnitudes of any {layout.chunk} sum to 255 at most"
