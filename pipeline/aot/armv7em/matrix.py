"""fully_connected_s8 (dense layers, pointwise convolutions) through the tile kernels."""

from __future__ import annotations

import numpy as np

from pipeline.aot.armv7em import cross_cancel
from pipeline.aot.armv7em.cross_cancel import PackedLayer
from pipeline.aot.cost import Candidate
from pipeline.aot.params import array, full_int8_range, integer
from pipeline.aot.program import KernelCall, RenderedKernel

FAMILY = "armv7em_matrix_s8"
TILE_PIXELS = 3
_PARAMS_BYTES = 24


def candidates(call: KernelCall) -> list[Candidate]:
    """Ways through the tile kernels; none where they are not proved exact for the call."""
    if call.kernel != "fully_connected_s8" or not full_int8_range(call):
        return []
    inputs, outputs = integer(call, "input_size"), integer(call, "output_size")
    packed = cross_cancel.pack(
        array(call, "weights").reshape(outputs, inputs),
        array(call, "bias").astype(np.int64),
        array(call, "multipliers"),
        array(call, "shifts"),
        integer(call, "output_zero_point"),
    )
    tiled = [_candidate(call, layer, tiled=True) for layer in packed]
    if integer(call, "rows") >= TILE_PIXELS:
        return tiled
    # The kernel for many rows takes few as well, and other layers may have brought it.
    return [*(_candidate(call, layer, tiled=False) for layer in packed), *tiled]


def _candidate(call: KernelCall, packed: PackedLayer, tiled: bool) -> Candidate:
    """Args: tiled: whether the kernel also has the tile of three rows."""
    rows, inputs = integer(call, "rows"), integer(call, "input_size")
    outputs = integer(call, "output_size")
    scratch = packed.steps * 8 * (TILE_PIXELS if rows >= TILE_PIXELS else 1)
    new = KernelCall(
        f"{FAMILY}_{'' if tiled else 'row_'}{packed.variant}",
        {
            "rows": rows,
            "input_size": inputs,
            "output_size": outputs,
            "shift": packed.shift,
            "offset": packed.offset,
            "stream": packed.stream,
        },
        call.inputs,
        call.outputs,
        scratch_bytes=scratch,
        family=FAMILY,
        rendered=RenderedKernel(
            "armv7em/matrix_s8.c.j2", (*cross_cancel.template_values(packed), ("tiled", int(tiled)))
        ),
        # The inputs of three rows are expanded before any of their outputs is written.
        leads=(max(0, rows * (outputs - inputs)),),
    )
    return Candidate(
        (new,),
        instructions=cross_cancel.instructions(packed, rows, outputs, packed.steps * 5),
        code_bytes=450 if tiled else 224,
        const_bytes=int(packed.stream.data.nbytes) + _PARAMS_BYTES,
        scratch_bytes=scratch,
        reason="Armv7E-M: 4 products in 2 instructions, exact in 24 bits for these weights",
        parts=cross_cancel.code_parts(packed, tiled),
    )
