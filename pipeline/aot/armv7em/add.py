"""add_s8 of two whole tensors as one linear form: two multiply-adds and one shift an element.

TensorFlow Lite scales both inputs in fixed point, each with two roundings, and so the sum. For two
int8 inputs that is a function of 65,536 pairs; `linear_form` looks for integers with

    out = saturate8((q1 * factor1 + q2 * factor2 + offset) >> shift)

for every pair, which is tried out for all of them: the proof is the enumeration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.aot.cost import Candidate
from pipeline.aot.params import integer
from pipeline.aot.program import KernelCall, RenderedKernel

FAMILY = "armv7em_add_s8"
Int64Array = npt.NDArray[np.int64]
_INPUTS = np.arange(-128, 128, dtype=np.int64)
_LEFT_SHIFT = 20  # ADD_S8_LEFT_SHIFT
_SHIFTS = (20, 21, 22, 19, 18)
_NEIGHBOURS = (0, -1, 1, -2, 2, -3, 3)


@dataclass(frozen=True)
class LinearForm:
    """The integers of the formula above."""

    factors: tuple[int, int]
    offset: int
    shift: int


def candidates(call: KernelCall) -> list[Candidate]:
    """The linear form; none where inputs broadcast, or where no form gives every pair's sum."""
    form = linear_form(call)
    if form is None:
        return []
    count = integer(call, "inner")
    params = {
        "count": count,
        "factor1": form.factors[0],
        "factor2": form.factors[1],
        "offset": form.offset,
    }
    new = KernelCall(
        f"{FAMILY}_{form.shift}",
        params,
        call.inputs,
        call.outputs,
        family=FAMILY,
        rendered=RenderedKernel("armv7em/add_s8.c.j2", (("shift", form.shift),)),
        leads=call.leads,
    )
    return [
        Candidate(
            (new,),
            instructions=20 + 7 * count,
            code_bytes=120,
            const_bytes=16,
            scratch_bytes=0,
            reason="Armv7E-M: one linear form, equal for all 65,536 pairs of inputs",
        )
    ]


def _is_flat(call: KernelCall) -> bool:
    """Whether both inputs have the output's elements, and all of int8 is open to it."""
    steps = (integer(call, "input1_step"), integer(call, "input2_step"))
    low, high = integer(call, "activation_min"), integer(call, "activation_max")
    return integer(call, "outer_loops") == 0 and steps == (1, 1) and (low, high) == (-128, 127)


def linear_form(call: KernelCall) -> LinearForm | None:
    """None where inputs broadcast, or where no form gives every pair's sum."""
    if call.kernel != "add_s8" or not _is_flat(call):
        return None
    outputs = sums(call)
    # The slopes in exact arithmetic: multiplier * 2^(shift - 31) of the input and of the output.
    out = integer(call, "output_multiplier") * 2.0 ** (integer(call, "output_shift") - 31)
    slopes = [
        integer(call, f"input{i}_multiplier")
        * 2.0 ** (integer(call, f"input{i}_shift") - 31 + _LEFT_SHIFT)
        * out
        for i in (1, 2)
    ]
    for shift in _SHIFTS:
        nearest = [round(slope * 2**shift) for slope in slopes]
        if (sum(nearest) + 8) * 128 + (256 << shift) >= 1 << 31:
            continue
        for step1 in _NEIGHBOURS:
            for step2 in _NEIGHBOURS:
                factors = (nearest[0] + step1, nearest[1] + step2)
                offset = _offset(factors, shift, outputs)
                if offset is not None and abs(offset) < 256 << shift:
                    return LinearForm(factors, offset, shift)
    return None


def _offset(factors: tuple[int, int], shift: int, outputs: Int64Array) -> int | None:
    """The middle of the offsets that are right for all pairs."""
    values = factors[0] * _INPUTS[:, np.newaxis] + factors[1] * _INPUTS
    lower = (outputs << shift) - values
    low = int(lower[outputs > -128].max(initial=-(1 << 40)))
    high = int((lower + (1 << shift) - 1)[outputs < 127].min(initial=1 << 40))
    if low > high or low < -(1 << 39) or high > 1 << 39:
        return None
    return (low + high) >> 1


def sums(call: KernelCall) -> Int64Array:
    """What add_s8 gives for (q1, q2) = (row - 128, column - 128); (256, 256)."""
    scaled = [
        _requantize(
            (_INPUTS - integer(call, f"input{i}_zero_point")) << _LEFT_SHIFT,
            integer(call, f"input{i}_multiplier"),
            integer(call, f"input{i}_shift"),
        )
        for i in (1, 2)
    ]
    total = _requantize(
        scaled[0][:, np.newaxis] + scaled[1],
        integer(call, "output_multiplier"),
        integer(call, "output_shift"),
    )
    low, high = integer(call, "activation_min"), integer(call, "activation_max")
    return np.clip(total + integer(call, "output_zero_point"), low, high)


def _requantize(values: Int64Array, multiplier: int, shift: int) -> Int64Array:
    """As `pipeline.fixed_point.multiply_by_quantized_multiplier`, for shifts that are not left."""
    high = (values * multiplier + (1 << 30)) >> 31
    if shift == 0:
        return high
    return (high + (1 << (-shift - 1)) - (high < 0)) >> -shift
