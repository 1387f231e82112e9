"""mul_s8 with the two-instruction requantization of the matrix kernels."""

from __future__ import annotations

import numpy as np

from pipeline.aot.armv7em import requantization
from pipeline.aot.armv7em.requantization import Requantization
from pipeline.aot.cost import Candidate
from pipeline.aot.params import integer
from pipeline.aot.program import FieldValue, KernelCall, RenderedKernel

FAMILY = "armv7em_mul_s8"
_COPIED = (
    "inner",
    "outer_loops",
    "extents",
    "input1_jumps",
    "input2_jumps",
    "input1_zero_point",
    "input2_zero_point",
)
_WAYS = 4  # shifts that a call offers, so that calls can share a kernel


def candidates(call: KernelCall) -> list[Candidate]:
    """One way for every final shift that is exact."""
    if call.kernel != "mul_s8":
        return []
    low, high = integer(call, "activation_min"), integer(call, "activation_max")
    if (low, high) != (-128, 127):
        return []
    bounds = [
        [value - integer(call, f"input{i}_zero_point") for value in (-128, 127)] for i in (1, 2)
    ]
    products = [a * b for a in bounds[0] for b in bounds[1]]
    ways = requantization.fits(
        np.array([integer(call, "output_multiplier")], np.int32),
        np.array([integer(call, "output_shift")], np.int8),
        integer(call, "output_zero_point"),
        (np.array([min(products)]), np.array([max(products)])),
        signed=integer(call, "output_zero_point") != -128,
    )
    return [_candidate(call, constants) for constants in ways[:_WAYS]]


def _candidate(call: KernelCall, constants: Requantization) -> Candidate:
    step = int(requantization.negative_steps(constants.multipliers)[0]) * constants.signed
    step1, step2 = integer(call, "input1_step"), integer(call, "input2_step")
    params: dict[str, FieldValue] = {name: call.params[name] for name in _COPIED}
    params |= {
        "multiplier": int(constants.multipliers[0]),
        "phase": int(constants.phases[0]),
        "offset": constants.offset + step // 2,
        "negative_step": step,
    }
    new = KernelCall(
        f"{FAMILY}_{'signed' if constants.signed else 'relu'}{constants.shift}_{step1}{step2}",
        params,
        call.inputs,
        call.outputs,
        family=FAMILY,
        rendered=RenderedKernel(
            "armv7em/mul_s8.c.j2",
            (
                ("signed", int(constants.signed)),
                ("shift", constants.shift),
                ("step1", step1),
                ("step2", step2),
            ),
        ),
        leads=call.leads,
    )
    count = call.outputs[0].size
    return Candidate(
        (new,),
        instructions=60
        + (12 if constants.signed else 9) * count
        + 30 * (count // integer(call, "inner")),
        code_bytes=240,
        const_bytes=4 * len(params),
        scratch_bytes=0,
        reason="Armv7E-M: product requantized in two instructions, exact for all products",
    )
