"""extremes_2d_s8 of 2x2 windows side by side, two at a time."""

from __future__ import annotations

from pipeline.aot.cost import Candidate
from pipeline.aot.params import integer
from pipeline.aot.program import KernelCall, RenderedKernel

_FAMILY = "extremes_2d_s8"


def candidates(call: KernelCall) -> list[Candidate]:
    """The call with SSUB8 and SEL; none for other windows, or an odd number of them in a row."""
    if call.kernel != _FAMILY or integer(call, "output_width") % 2:
        return []
    for axis, padding in (("height", "padding_top"), ("width", "padding_left")):
        window = integer(call, f"kernel_{axis}"), integer(call, f"stride_{axis}")
        reach = 2 * integer(call, f"output_{axis}")
        if window != (2, 2) or integer(call, padding) or reach > integer(call, f"input_{axis}"):
            return []
    new = KernelCall(
        "armv7em_extremes_2x2_s8",
        call.params,
        call.inputs,
        call.outputs,
        family=_FAMILY,
        rendered=RenderedKernel("armv7em/extremes_2x2_s8.c.j2", ()),
    )
    rows = integer(call, "batches") * integer(call, "output_height")
    return [
        Candidate(
            (new,),
            instructions=rows * (12 + 10 * integer(call, "output_width")),
            code_bytes=130,
            const_bytes=4 * len(call.params),
            scratch_bytes=0,
            reason="Armv7E-M: extremes of two windows from four bytes of either row",
        )
    ]
