"""conv_2d_s8 through the tile kernels: windows are gathered three at a time, then multiplied."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.aot.armv7em import cross_cancel
from pipeline.aot.armv7em.cross_cancel import STEP_INPUTS, PackedLayer
from pipeline.aot.cost import Candidate
from pipeline.aot.params import array, full_int8_range, integer, is_dilated, is_grouped
from pipeline.aot.program import KernelCall, RenderedKernel

FAMILY, _DILATED = "armv7em_conv_s8", "armv7em_dilated_conv_s8"
_LARGEST_UNROLLED = 12  # words of a window's rows that are gathered without a loop
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
    if call.kernel != "conv_2d_s8" or not full_int8_range(call) or is_grouped(call):
        return []
    if is_dilated(call) and integer(call, "input_channels") % STEP_INPUTS:
        return []
    weights = _in_words(call)
    sums = weights.astype(np.int64).sum(axis=1)
    packed = cross_cancel.pack(
        weights,
        array(call, "bias").astype(np.int64) - integer(call, "input_zero_point") * sums,
        array(call, "multipliers"),
        array(call, "shifts"),
        integer(call, "output_zero_point"),
    )
    return [_candidate(call, layer) for layer in packed]


def _row_words(call: KernelCall) -> tuple[int, int]:
    """Words that every row of a window begins with, and how many inputs of a row follow them.

    One or two inputs more than whole words are collected from all rows, behind the rows' words;
    three are a word of their own.
    """
    words, rest = divmod(
        integer(call, "kernel_width") * integer(call, "input_channels"), STEP_INPUTS
    )
    return (words, rest) if words > 0 and rest < 3 else (words + (rest > 0), 0)


def _in_words(call: KernelCall) -> npt.NDArray[np.int8]:
    """(channels, inputs) in the order of a gathered window, zeros where it has no input."""
    channels = integer(call, "output_channels")
    words, rest = _row_words(call)
    rows = array(call, "weights").reshape(channels, integer(call, "kernel_height"), -1)
    begin, end = rows[:, :, : STEP_INPUTS * words], rows[:, :, rows.shape[2] - rest :]
    padding = STEP_INPUTS * words - begin.shape[2]
    begin = np.pad(begin, ((0, 0), (0, 0), (0, padding)))
    return np.concatenate([begin.reshape(channels, -1), end.reshape(channels, -1)], axis=1)


def _fields(call: KernelCall) -> tuple[str, ...]:
    """Of the portable call, in the order of the kernel's header."""
    if not is_dilated(call):
        return _COPIED
    at = _COPIED.index("padding_top")
    return (*_COPIED[:at], "dilation_height", "dilation_width", *_COPIED[at:])


def _candidate(call: KernelCall, packed: PackedLayer) -> Candidate:
    outputs = integer(call, "output_channels")
    rows = integer(call, "kernel_height")
    row_words, rest = _row_words(call)
    words, dilated = integer(call, "input_channels") % STEP_INPUTS == 0, is_dilated(call)
    scratch = packed.steps * 24
    if not words:  # a row of a window, and the ends of all rows
        scratch += (row_words + 1 + packed.steps) * STEP_INPUTS
    unrolled = not words and rows * row_words <= _LARGEST_UNROLLED
    window = f"_{rows}x{row_words}" if unrolled else ""
    family, fields = _DILATED if dilated else FAMILY, _fields(call)
    new = KernelCall(
        f"{family}_{'fours' if words else f'rest{rest}{window}'}_{packed.variant}",
        {
            **{name: call.params[name] for name in fields},
            "row_words": row_words,
            "shift": packed.shift,
            "offset": packed.offset,
            "stream": packed.stream,
        },
        call.inputs,
        call.outputs,
        scratch_bytes=scratch,
        family=family,
        rendered=RenderedKernel(
            "armv7em/conv_s8.c.j2",
            (
                *cross_cancel.template_values(packed),
                ("words", int(words)),
                ("dilated", int(dilated)),
                ("rest", rest),
                ("unrolled", int(unrolled)),
                ("rows", rows if unrolled else 0),
                ("row_words", row_words if unrolled else 0),
            ),
        ),
        leads=call.leads,  # windows are gathered row by row, too, and before outputs are written
    )
    pixels = call.outputs[0].size // outputs
    return Candidate(
        (new,),
        instructions=cross_cancel.instructions(packed, pixels, outputs, _gather(call, packed)),
        code_bytes=850 + (18 * rows * row_words + 40 if unrolled else 0),
        const_bytes=int(packed.stream.data.nbytes) + 4 * len(new.params),
        scratch_bytes=scratch,
        reason="Armv7E-M: 4 products in 2 instructions, exact in 24 bits for these weights",
        parts=cross_cancel.code_parts(packed, tiled=True),
    )


def _gather(call: KernelCall, packed: PackedLayer) -> int:
    """Instructions to gather one window that is inside the image."""
    rows = integer(call, "kernel_height")
    if is_dilated(call):
        return 50 + rows * (14 + 30 * integer(call, "kernel_width")) + 5 * packed.steps
    if integer(call, "input_channels") % STEP_INPUTS == 0:
        return 50 + 14 * rows + 5 * packed.steps
    if rows * _row_words(call)[0] <= _LARGEST_UNROLLED:
        return 60 + 5 * packed.steps
    return 50 + 9 * rows + 7 * packed.steps
