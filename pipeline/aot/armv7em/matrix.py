"""fully_connected_s8 (dense layers, pointwise convolutions) through the tile kernels."""

from __future__ import annotations

import numpy as np

from pipeline.aot.armv7em import cross_cancel
from pipeline.aot.armv7em.cross_cancel import PackedLayer
from pipeline.aot.armv7em.params import array, full_int8_range, integer
from pipeline.aot.cost import Candidate
from pipeline.aot.program import KernelCall, RenderedKernel

FAMILY = "armv7em_matrix_s8"
TILE_PIXELS = 3
_PARAMS_BYTES = 20


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
    return [_candidate(call, layer) for layer in packed]


def _candidate(call: KernelCall, packed: PackedLayer) -> Candidate:
    rows, inputs = integer(call, "rows"), integer(call, "input_size")
    outputs = integer(call, "output_size")
    tiled = rows >= TILE_PIXELS
    scratch = packed.steps * 8 * (TILE_PIXELS if tiled else 1)
    new = KernelCall(
        f"{FAMILY}_{'' if tiled else 'row_'}{packed.variant}",
        {
            "rows": rows,
            "input_size": inputs,
            "output_size": outputs,
            "shift": packed.shift,
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
        code_bytes=cross_cancel.code_bytes(packed, tiled) + (264 if tiled else 140),
        const_bytes=int(packed.stream.data.nbytes) + _PARAMS_BYTES,
        scratch_bytes=scratch,
        reason="Armv7E-M: 4 products in 2 instructions, exact in 24 bits for these weights",
    )
