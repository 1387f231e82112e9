"""mean_s8 and average_pool_2d_s8: four channels summed in two instructions (SXTAB16)."""

from __future__ import annotations

from pipeline.aot.cost import Candidate
from pipeline.aot.params import integer
from pipeline.aot.program import KernelCall, RenderedKernel

_LARGEST_COUNT = 255  # times 128 fits 16 bits


def candidates(call: KernelCall) -> list[Candidate]:
    """The call with packed sums; none where channels are no fours, or too many are summed."""
    if call.kernel == "mean_s8":
        channels, lines = integer(call, "kept_2"), integer(call, "kept_1")
        count = integer(call, "reduced_0") * integer(call, "reduced_1")
    elif call.kernel == "average_pool_2d_s8":
        channels, lines = integer(call, "channels"), 1
        count = integer(call, "kernel_height") * integer(call, "kernel_width")
    else:
        return []
    if channels % 4 or lines != 1 or not 0 < count <= _LARGEST_COUNT:
        return []
    new = KernelCall(
        f"armv7em_{call.kernel}",
        call.params,
        call.inputs,
        call.outputs,
        family=call.kernel,
        rendered=RenderedKernel(f"armv7em/{call.kernel}.c.j2", ()),
        leads=call.leads,
    )
    outputs = call.outputs[0].size
    return [
        Candidate(
            (new,),
            instructions=60 + outputs * 30 + outputs // 4 * (20 + 6 * count),
            code_bytes=340,
            const_bytes=4 * len(call.params),
            scratch_bytes=0,
            reason="Armv7E-M: four channels summed in two instructions",
        )
    ]
