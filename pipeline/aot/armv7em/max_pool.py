"""max_pool_2d_s8 on four channels at a time."""

from __future__ import annotations

from pipeline.aot.cost import Candidate
from pipeline.aot.params import integer
from pipeline.aot.program import KernelCall, RenderedKernel

_FAMILY = "max_pool_2d_s8"
_LARGEST_UNROLLED = 9  # taps


def candidates(call: KernelCall) -> list[Candidate]:
    """The call with SSUB8 and SEL; none where there are fewer than 4 channels."""
    if call.kernel != _FAMILY or integer(call, "channels") < 4:
        return []
    if integer(call, "output_high") != 127:
        return []
    rows, taps = integer(call, "kernel_height"), integer(call, "kernel_width")
    inside = (
        rows * taps <= _LARGEST_UNROLLED
        and _inside(call, "height", "padding_top")
        and _inside(call, "width", "padding_left")
    )
    suffix = f"{rows}x{taps}" if inside else "any"
    values = (("inside", int(inside)), ("rows", rows if inside else 0), ("taps", taps * inside))
    new = KernelCall(
        f"armv7em_{_FAMILY}_{suffix}",
        call.params,
        call.inputs,
        call.outputs,
        family=_FAMILY,
        rendered=RenderedKernel("armv7em/max_pool_2d_s8.c.j2", values),
        leads=call.leads,
    )
    pixels = integer(call, "batches") * (
        integer(call, "output_height") * integer(call, "output_width")
    )
    words = -(-integer(call, "channels") // 4)
    per_word = 14 + 3 * rows * taps if inside else 22 + rows * (5 + 6 * taps)
    chosen = Candidate(
        (new,),
        instructions=pixels * ((12 if inside else 50) + words * per_word),
        code_bytes=140 + 14 * rows * taps if inside else 330,
        const_bytes=4 * len(call.params),
        scratch_bytes=0,
        reason="Armv7E-M: maximum of four channels in two instructions",
    )
    return [chosen]


def _inside(call: KernelCall, axis: str, padding: str) -> bool:
    """Whether every window along the axis is wholly inside the image."""
    reach = (integer(call, f"output_{axis}") - 1) * integer(call, f"stride_{axis}")
    last = reach + integer(call, f"kernel_{axis}")
    return integer(call, padding) == 0 and last <= integer(call, f"input_{axis}")
