"""conv_2d_s8 through the tile kernels: windows are gathered three at a time, then multiplied."""

from __future__ import annotations

import numpy as np

from pipeline.aot.armv7em import cross_cancel
from pipeline.aot.armv7em.cross_cancel import STEP_INPUTS, PackedLayer
from pipeline.aot.armv7em.params import array, full_int8_range, integer
from pipeline.aot.cost import Candidate
from pipeline.aot.program import FieldValue, KernelCall, RenderedKernel

FAMILY = "armv7em_conv_s8"
_COPIED = (
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
)


def candidates(call: KernelCall) -> list[Candidate]:
    """Ways through the tile kernels; none where they are not proved exact for the call."""
    if call.kernel != "conv_2d_s8" or not full_int8_range(call) or not _is_plain(call):
        return []
    outputs = integer(call, "output_channels")
    row_inputs = integer(call, "kernel_width") * integer(call, "input_channels")
    row_steps = -(-row_inputs // STEP_INPUTS)
    # Every row of a window is rounded up to whole words.
    weights = np.pad(
        array(call, "weights").reshape(outputs, -1, row_inputs),
        ((0, 0), (0, 0), (0, row_steps * STEP_INPUTS - row_inputs)),
    ).reshape(outputs, -1)
    sums = weights.astype(np.int64).sum(axis=1)
    packed = cross_cancel.pack(
        weights,
        array(call, "bias").astype(np.int64) - integer(call, "input_zero_point") * sums,
        array(call, "multipliers"),
        array(call, "shifts"),
        integer(call, "output_zero_point"),
    )
    return [_candidate(call, layer) for layer in packed]


def _candidate(call: KernelCall, packed: PackedLayer) -> Candidate:
    outputs = integer(call, "output_channels")
    row_steps = packed.steps // integer(call, "kernel_height")
    words = integer(call, "input_channels") % STEP_INPUTS == 0
    scratch = packed.steps * 24 + (0 if words else row_steps * STEP_INPUTS)
    params: dict[str, FieldValue] = {name: call.params[name] for name in _COPIED}
    new = KernelCall(
        f"{FAMILY}_{'fours' if words else 'any'}_{packed.variant}",
        {**params, "row_steps": row_steps, "shift": packed.shift, "stream": packed.stream},
        call.inputs,
        call.outputs,
        scratch_bytes=scratch,
        family=FAMILY,
        rendered=RenderedKernel(
            "armv7em/conv_s8.c.j2", (*cross_cancel.template_values(packed), ("words", int(words)))
        ),
        leads=call.leads,  # windows are gathered row by row, too, and before outputs are written
    )
    pixels = call.outputs[0].size // outputs
    return Candidate(
        (new,),
        instructions=cross_cancel.instructions(packed, pixels, outputs, _gather(call, packed)),
        code_bytes=cross_cancel.code_bytes(packed, tiled=True) + 600,
        const_bytes=int(packed.stream.data.nbytes) + 4 * (len(_COPIED) + 3),
        scratch_bytes=scratch,
        reason="Armv7E-M: 4 products in 2 instructions, exact in 24 bits for these weights",
    )


def _is_plain(call: KernelCall) -> bool:
    """Neither groups nor dilation."""
    return (
        integer(call, "kernel_channels") == integer(call, "input_channels")
        and integer(call, "dilation_height") == integer(call, "dilation_width") == 1
    )


def _gather(call: KernelCall, packed: PackedLayer) -> int:
    """Instructions to gather one window that is inside the image."""
    rows = integer(call, "kernel_height")
    per_row = 30 if integer(call, "input_channels") % STEP_INPUTS == 0 else 9
    return 50 + per_row * rows + 6 * packed.steps
