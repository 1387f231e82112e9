"""add_s8 of two whole tensors as one linear form (pipeline/aot/armv7em/add.py) in C."""

from __future__ import annotations

from pipeline.aot.armv7em.add import linear_form
from pipeline.aot.cost import Candidate
from pipeline.aot.params import integer
from pipeline.aot.program import KernelCall, RenderedKernel

_FAMILY = "scalar_add_s8"


def candidates(call: KernelCall, element: float) -> list[Candidate]:
    """The linear form; none where inputs broadcast, or where no form gives every pair's sum.

    Args:
        element: instructions for one.
    """
    form = linear_form(call)
    if form is None:
        return []
    count = integer(call, "inner")
    new = KernelCall(
        f"{_FAMILY}_{form.shift}",
        {
            "count": count,
            "factor1": form.factors[0],
            "factor2": form.factors[1],
            "offset": form.offset,
        },
        call.inputs,
        call.outputs,
        family=_FAMILY,
        rendered=RenderedKernel("scalar/add_s8.c.j2", (("shift", form.shift),)),
        leads=call.leads,
    )
    return [
        Candidate(
            (new,),
            instructions=round(20 + element * count),
            code_bytes=120,
            const_bytes=16,
            scratch_bytes=0,
            reason="scalar: one linear form, equal for all 65,536 pairs of inputs",
        )
    ]
