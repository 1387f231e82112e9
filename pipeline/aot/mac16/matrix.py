"""fully_connected_s8 and conv_2d_s8 as dot products of halves, one instruction for each product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.aot.cost import Candidate
from pipeline.aot.mac16.weights import pack_weights
from pipeline.aot.params import array, integer
from pipeline.aot.program import ConstArray, KernelCall, RenderedKernel
from pipeline.aot.scalar.channels import Int64Array, Requantization, as_words, requantization
from pipeline.aot.scalar.matrix import CONV_FIELDS, is_plain

_WORD = 4  # bytes
_CODE_BYTES = 1200
_INT32_LIMIT = 1 << 31
_LARGEST_INPUT = 255  # an input plus 128

# Emulated instructions (`python -m benchmarks.layers`).
_PRODUCT = 1.0
_OUTPUT = 34.0
_OUTPUT_WITH_HIGH_PRODUCT = 29.0
_ROW_OF_WINDOW = 5.0
_WIDENED_WEIGHT = 2.5
_CHANNEL = 45.0  # of a tile or of a block of windows
_WINDOW = 60.0
_INPUT_OF_WINDOW = 6.0
_ROW_OF_TILE = 50.0
_INPUT_OF_TILE = 2.0
# Scratch for inputs, where those of one output take less.
_SCRATCH_BYTES = (512, 768, 1024, 1536, 2048, 2560, 3072, 4096, 5120, 6144, 8192)


def matrix_candidates(multiplies_high: bool, call: KernelCall) -> list[Candidate]:
    """Ways to compute fully_connected_s8: rows are the pixels of an image one pixel high."""
    if call.kernel != "fully_connected_s8":
        return []
    given = {
        "input_width": integer(call, "rows"),
        "output_width": integer(call, "rows"),
        "input_channels": integer(call, "input_size"),
        "output_channels": integer(call, "output_size"),
        "output_low": integer(call, "output_low"),
        "output_high": integer(call, "output_high"),
    }
    zero = ("padding_top", "padding_left", "input_zero_point")
    fields = {name: given.get(name, 0 if name in zero else 1) for name in CONV_FIELDS}
    weights = array(call, "weights").reshape(fields["output_channels"], -1)
    bias = array(call, "bias").astype(np.int64)
    return _candidates(multiplies_high, call, fields, weights, bias)


def conv_candidates(multiplies_high: bool, call: KernelCall) -> list[Candidate]:
    """Ways to compute conv_2d_s8 without groups and dilation."""
    if call.kernel != "conv_2d_s8" or not is_plain(call):
        return []
    fields = {name: integer(call, name) for name in CONV_FIELDS}
    weights = array(call, "weights").reshape(fields["output_channels"], -1)
    sums = weights.astype(np.int64).sum(axis=1)
    bias = array(call, "bias").astype(np.int64) - fields["input_zero_point"] * sums
    return _candidates(multiplies_high, call, fields, weights, bias)


def _candidates(
    multiplies_high: bool,
    call: KernelCall,
    fields: dict[str, int],
    weights: npt.NDArray[np.int8],
    bias: Int64Array,
) -> list[Candidate]:
    """One for each size of scratch that makes a difference; `weights` is (channels, inputs)."""
    found = requantization(call, weights, bias, multiplies_high)
    # Where pixels are whole words, halves are what a word gives with two masks.
    in_words = fields["input_channels"] % 4 == 0
    packed = pack_weights(weights, (0, 2, 1, 3) if in_words else (0, 1, 2, 3))
    if found is None or packed is None:
        return []
    words = found.words.copy()
    words[:, 0] -= 128 * weights.astype(np.int64).sum(axis=1)
    products = _LARGEST_INPUT * np.abs(weights.astype(np.int64)).sum(axis=1)
    if int((np.abs(words[:, 0]) + products).max()) >= _INT32_LIMIT:
        return []
    arrays = (ConstArray("weights", packed), ConstArray("channels", as_words(words)))
    layer = _Layer(call, fields, arrays, found)
    return _tile_candidates(layer) if in_words else _window_candidates(layer)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A convolution whose constants are proved exact.

    Attributes:
        fields: that both kernels have.
        arrays: weights and channels.
    """

    call: KernelCall
    fields: dict[str, int]
    arrays: tuple[ConstArray, ConstArray]
    requantization: Requantization

    @property
    def outputs(self) -> int:
        return self.fields["output_channels"]

    @property
    def image_pixels(self) -> int:
        """Of one image of the output."""
        return self.fields["output_height"] * self.fields["output_width"]

    @property
    def quads(self) -> int:
        """Words of weights of a channel."""
        return self.arrays[0].data.size // self.outputs

    @property
    def output_instructions(self) -> float:
        """Of one output, beyond its products."""
        return _OUTPUT if self.requantization.parts > 1 else _OUTPUT_WITH_HIGH_PRODUCT


def _tile_candidates(layer: _Layer) -> list[Candidate]:
    """Inputs of a tile of outputs are copied once; one candidate for each size of tile."""
    tiles = dict.fromkeys(_tile(layer, size // _WORD) for size in _SCRATCH_BYTES)
    return [_tile_candidate(layer, height, width) for height, width in tiles]


def _tile(layer: _Layer, words: int) -> tuple[int, int]:
    """Height and width of the largest tile whose inputs take no more words, or of one output.

    Whole rows, or a part of one: outputs are written row by row.
    """
    f = layer.fields
    heights = range(1, f["output_height"] + 1)
    fitting = [h for h in heights if _tile_words(layer, h, f["output_width"]) <= words]
    if fitting:
        return fitting[-1], f["output_width"]
    widths = range(1, f["output_width"] + 1)
    return 1, max((w for w in widths if _tile_words(layer, 1, w) <= words), default=1)


def _tile_words(layer: _Layer, height: int, width: int) -> int:
    f = layer.fields
    rows = (height - 1) * f["stride_height"] + f["kernel_height"]
    columns = (width - 1) * f["stride_width"] + f["kernel_width"]
    return rows * columns * f["input_channels"] // 2


def _tile_candidate(layer: _Layer, height: int, width: int) -> Candidate:
    f, outputs, products = layer.fields, layer.outputs, 4 * layer.quads
    rows, columns = -(-f["output_height"] // height), -(-f["output_width"] // width)
    tiles = f["batches"] * rows * columns
    words = _tile_words(layer, height, width)
    input_rows = (height - 1) * f["stride_height"] + f["kernel_height"]
    each = layer.output_instructions + _ROW_OF_WINDOW * f["kernel_height"] + _PRODUCT * products
    instructions = (
        f["batches"] * layer.image_pixels * outputs * each
        + tiles * (_ROW_OF_TILE * input_rows + _INPUT_OF_TILE * 2 * words)
        + tiles * outputs * (_CHANNEL + _WIDENED_WEIGHT * products)
    )
    return _candidate(
        layer,
        "mac16_conv_s8",
        {"tile_height": height, "tile_width": width},
        scratch_bytes=_WORD * (words + 2 * layer.quads + 2),
        instructions=instructions,
        passes=tiles,
        reason=f"MAC16: weights read once for {height} x {width} pixels",
    )


def _window_candidates(layer: _Layer) -> list[Candidate]:
    """Windows are copied one by one; one candidate for each number of them in scratch."""
    counts = {
        min(layer.image_pixels, max(1, size // (2 * _WORD * layer.quads)))
        for size in _SCRATCH_BYTES
    }
    return [_window_candidate(layer, windows) for windows in sorted(counts)]


def _window_candidate(layer: _Layer, windows: int) -> Candidate:
    f, outputs, products = layer.fields, layer.outputs, 4 * layer.quads
    inputs = f["kernel_height"] * f["kernel_width"] * f["input_channels"]
    blocks = f["batches"] * -(-layer.image_pixels // windows)
    each_window = _WINDOW + _INPUT_OF_WINDOW * inputs
    each = layer.output_instructions + _PRODUCT * products
    instructions = f["batches"] * layer.image_pixels * (
        each_window + outputs * each
    ) + blocks * outputs * (_CHANNEL + _WIDENED_WEIGHT * products)
    return _candidate(
        layer,
        "mac16_window_conv_s8",
        {"quads": layer.quads, "windows": windows},
        scratch_bytes=_WORD * (2 * layer.quads * (windows + 1) + 1),
        instructions=instructions,
        passes=blocks,
        reason=f"MAC16: weights read once for {windows} windows",
    )


def _candidate(
    layer: _Layer,
    family: str,
    fields: dict[str, int],
    *,
    scratch_bytes: int,
    instructions: float,
    passes: int,
    reason: str,
) -> Candidate:
    call = layer.call
    new = KernelCall(
        f"{family}{layer.requantization.suffix}",
        {**layer.fields, **fields, **{a.name: a for a in layer.arrays}},
        call.inputs,
        call.outputs,
        scratch_bytes=scratch_bytes,
        family=family,
        rendered=RenderedKernel(
            f"mac16/{family.removeprefix('mac16_')}.c.j2", layer.requantization.values
        ),
        leads=_leads(layer),
    )
    return Candidate(
        (new,),
        instructions=round(instructions),
        code_bytes=_CODE_BYTES,
        const_bytes=sum(a.data.nbytes for a in layer.arrays),
        scratch_bytes=scratch_bytes,
        reason=reason,
        passes=passes,
    )


def _leads(layer: _Layer) -> tuple[int | None, ...]:
    """Inputs are copied row by row, as the portable kernel reads them, before outputs are written;
    where an output depends on its own pixel alone, pixel by pixel."""
    f = layer.fields
    sides = [(f[f"input_{axis}"], f[f"output_{axis}"]) for axis in ("height", "width")]
    taps = f["kernel_height"] * f["kernel_width"]
    if taps > 1 or any(given != made for given, made in sides):
        return layer.call.leads
    pixels = f["batches"] * layer.image_pixels
    return (max(0, pixels * (layer.outputs - f["input_channels"])),)
