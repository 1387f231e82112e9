"""fully_connected_s8 and conv_2d_s8 in tiles of pixels and channels that stay in registers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.aot.armv7em.params import array, full_int8_range, integer
from pipeline.aot.cost import Candidate
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, RenderedKernel
from pipeline.aot.scalar.channels import Int64Array, as_words, block_rows, pack
from pipeline.aot.scalar.core import Core

_MATRIX, _CONV = "scalar_matrix_s8", "scalar_conv_s8"
_MATRIX_CODE_BYTES, _CONV_CODE_BYTES = 2870, 3210
_GATHER_INSTRUCTIONS = 60  # a window, beyond its bytes
_GATHER_BYTE = 1.2
_CONV_FIELDS = (
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


def matrix_candidate(core: Core, call: KernelCall) -> Candidate | None:
    """fully_connected_s8, or None where it is not proved exact."""
    if call.kernel != "fully_connected_s8":
        return None
    weights = array(call, "weights").reshape(integer(call, "output_size"), -1)
    constants = _constants(core, call, weights, array(call, "bias").astype(np.int64))
    if constants is None:
        return None
    rows, inputs = integer(call, "rows"), integer(call, "input_size")
    if core.wide_weights:
        # Flipping the inputs takes a copy, as windows do: a convolution of pixels in one column.
        return _conv(core, call, _column_fields(call), constants)
    names = ("rows", "input_size", "output_size", "output_low", "output_high")
    fields: dict[str, FieldValue] = {name: integer(call, name) for name in names}
    new = _rendered(core, call, _MATRIX, {**fields, **constants}, 0)
    return Candidate(
        (new,),
        instructions=_instructions(core, rows, inputs, len(weights)),
        code_bytes=_MATRIX_CODE_BYTES,
        const_bytes=_const_bytes(constants),
        scratch_bytes=0,
        reason=_reason(core),
    )


def conv_candidate(core: Core, call: KernelCall) -> Candidate | None:
    """conv_2d_s8 without groups and dilation, or None where it is not proved exact."""
    if call.kernel != "conv_2d_s8" or not _is_plain(call):
        return None
    outputs = integer(call, "output_channels")
    weights = array(call, "weights").reshape(outputs, -1)
    zero_point = integer(call, "input_zero_point")
    bias = array(call, "bias").astype(np.int64) - zero_point * weights.astype(np.int64).sum(axis=1)
    constants = _constants(core, call, weights, bias)
    if constants is None:
        return None
    return _conv(core, call, {name: integer(call, name) for name in _CONV_FIELDS}, constants)


def _column_fields(call: KernelCall) -> dict[str, int]:
    """Rows of a matrix as the pixels of an image one pixel wide."""
    given = {
        "input_height": integer(call, "rows"),
        "output_height": integer(call, "rows"),
        "input_channels": integer(call, "input_size"),
        "output_channels": integer(call, "output_size"),
        "output_low": integer(call, "output_low"),
        "output_high": integer(call, "output_high"),
    }
    zero = ("padding_top", "padding_left", "input_zero_point")
    return {name: given.get(name, 0 if name in zero else 1) for name in _CONV_FIELDS}


def _conv(
    core: Core, call: KernelCall, fields: dict[str, int], constants: dict[str, ConstArray]
) -> Candidate:
    inputs = fields["kernel_height"] * fields["kernel_width"] * fields["input_channels"]
    scratch = core.pixels * inputs
    new = _rendered(core, call, _CONV, {**fields, **constants}, scratch)
    outputs = fields["output_channels"]
    pixels = call.outputs[0].size // outputs
    gather = pixels * (_GATHER_INSTRUCTIONS + _GATHER_BYTE * inputs)
    return Candidate(
        (new,),
        instructions=_instructions(core, pixels, inputs, outputs) + round(gather),
        code_bytes=_CONV_CODE_BYTES,
        const_bytes=_const_bytes(constants),
        scratch_bytes=scratch,
        reason=_reason(core),
    )


def _is_plain(call: KernelCall) -> bool:
    ungrouped = integer(call, "kernel_channels") == integer(call, "input_channels")
    dilations = (integer(call, "dilation_height"), integer(call, "dilation_width"))
    return ungrouped and dilations == (1, 1)


def _constants(
    core: Core, call: KernelCall, weights: npt.NDArray[Any], bias: Int64Array
) -> dict[str, ConstArray] | None:
    """Weights and channels in blocks; `weights` is (output channels, inputs)."""
    if len(weights) < core.channels:
        return None
    channels = pack(call, weights, bias)
    if channels is None:
        return None
    if core.wide_weights:  # inputs are 128 larger
        channels[:, 0] -= 128 * weights.astype(np.int64).sum(axis=1)
        products = 255 * np.abs(weights.astype(np.int64)).sum(axis=1)
        if int((np.abs(channels[:, 0]) + products).max()) >= 1 << 31:
            return None
    rows = block_rows(len(weights), core.channels)
    blocks = np.moveaxis(weights[rows], 1, 2)  # (blocks, inputs, channels)
    stored = blocks.astype(np.int16 if core.wide_weights else np.int8, order="C")
    return {
        "weights": ConstArray("weights", stored.ravel()),
        "channels": ConstArray("channels", as_words(channels[rows].reshape(-1, channels.shape[1]))),
    }


def _rendered(
    core: Core, call: KernelCall, family: str, params: dict[str, FieldValue], scratch: int
) -> KernelCall:
    saturates = full_int8_range(call)
    values: tuple[tuple[str, int | str], ...] = (
        ("pixels", core.pixels),
        ("channels", core.channels),
        ("weight_type", "int16_t" if core.wide_weights else "int8_t"),
        ("saturates", int(saturates)),
        ("input_type", "uint8_t" if core.wide_weights else "int8_t"),
        ("flips", int(core.wide_weights)),
    )
    return KernelCall(
        f"{family}_{core.pixels}x{core.channels}{'' if saturates else '_clamped'}",
        params,
        call.inputs,
        call.outputs,
        scratch_bytes=scratch,
        family=family,
        rendered=RenderedKernel(f"scalar/{family.removeprefix('scalar_')}.c.j2", values),
    )


def _instructions(core: Core, rows: int, inputs: int, outputs: int) -> int:
    tiled = rows - rows % core.pixels
    # A single row shares no weights: a load for each of its products.
    products = core.product * tiled + (core.product + 1) * (rows - tiled)
    return round(outputs * (inputs * products + rows * core.output))


def _const_bytes(constants: dict[str, ConstArray]) -> int:
    return sum(array.data.nbytes for array in constants.values())


def _reason(core: Core) -> str:
    return f"scalar: {core.pixels} pixels x {core.channels} channels in registers"
