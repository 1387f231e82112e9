"""conv_2d_s8 3x3 with stride 1 by Winograd's F(2x2, 3x3) in exact integers (arXiv:1509.09308).

2.25 times fewer multiplications than the direct way, for weights 3.6 times as large: 16 positions
of 16 bits for 9 bytes. templates/aot/armv7em/winograd_s8.c.j2 has the matrices.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.aot.armv7em import cross_cancel, requantization
from pipeline.aot.armv7em.requantization import Requantization
from pipeline.aot.cost import Candidate
from pipeline.aot.params import array, full_int8_range, integer, is_dilated, is_grouped
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, RenderedKernel

FAMILY = "armv7em_winograd_s8"
_COPIED = (
    "batches",
    "input_height",
    "input_width",
    "input_channels",
    "output_height",
    "output_width",
    "output_channels",
    "padding_top",
    "padding_left",
    "input_zero_point",
)
_WAYS = 4  # shifts that a layer offers, so that layers can share a kernel
_KERNEL = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]], np.int64)  # 2G
_POSITIONS = 16


def candidates(call: KernelCall) -> list[Candidate]:
    """Ways through the transformed tiles; none where they do not fit or are not proved exact."""
    if call.kernel != "conv_2d_s8" or not full_int8_range(call):
        return []
    if is_grouped(call) or is_dilated(call):
        return []
    sizes = ("kernel_height", "kernel_width", "stride_height", "stride_width")
    if tuple(integer(call, name) for name in sizes) != (3, 3, 1, 1):
        return []
    if integer(call, "input_channels") % 4 or integer(call, "output_channels") % 2:
        return []
    weights = array(call, "weights").astype(np.int64)
    rows = weights.reshape(weights.shape[0], -1)
    bias = array(call, "bias").astype(np.int64)
    bias -= integer(call, "input_zero_point") * rows.sum(axis=1)
    sums = cross_cancel.sum_bounds(rows, bias)
    limit = 1 << (requantization.SUM_BITS - 1)
    if int(sums[0].min()) < -limit or int(sums[1].max()) >= limit:
        return []
    ways = requantization.fits(
        array(call, "multipliers"),
        array(call, "shifts"),
        integer(call, "output_zero_point"),
        sums,
        signed=integer(call, "output_zero_point") != -128,
    )
    return [_candidate(call, way, _stream(weights, bias, way)) for way in ways[:_WAYS]]


def _stream(
    weights: npt.NDArray[np.int64], bias: npt.NDArray[np.int64], constants: Requantization
) -> ConstArray:
    """int32; weights: (output channels, 3, 3, input channels)."""
    outputs, _, _, inputs = weights.shape
    transformed = np.einsum("ia,oabc,jb->ijoc", _KERNEL, weights, _KERNEL)
    # position, pair, channel of the pair, word, byte of the word
    words = transformed.reshape(_POSITIONS, outputs // 2, 2, inputs // 4, 4)[..., (0, 2, 1, 3)]
    halves = words.transpose(1, 0, 3, 2, 4).astype("<i2").reshape(outputs // 2, -1)
    head = np.concatenate(
        [
            ((bias << 8) + constants.phases).reshape(-1, 2),
            constants.multipliers.reshape(-1, 2),
        ],
        axis=1,
    )
    stream = np.concatenate([head.astype("<i4"), halves.view("<i4")], axis=1)
    return ConstArray("stream", stream.astype(np.int32).ravel())


def _candidate(call: KernelCall, constants: Requantization, stream: ConstArray) -> Candidate:
    form = "signed" if constants.signed else "relu"
    words = integer(call, "input_channels") // 4
    unroll = next(n for n in (4, 2, 1) if words % n == 0)
    params: dict[str, FieldValue] = {name: call.params[name] for name in _COPIED}
    new = KernelCall(
        f"{FAMILY}_{unroll}_{form}{constants.shift}",
        {**params, "offset": constants.offset, "stream": stream},
        call.inputs,
        call.outputs,
        scratch_bytes=80 * integer(call, "input_channels") + 256,
        family=FAMILY,
        rendered=RenderedKernel(
            "armv7em/winograd_s8.c.j2",
            (
                ("signed", int(constants.signed)),
                ("shift", constants.shift),
                ("unroll", unroll),
            ),
        ),
    )
    return Candidate(
        (new,),
        instructions=_instructions(call, constants.signed, words, unroll),
        code_bytes=1100,
        const_bytes=int(stream.data.nbytes) + 4 * (len(_COPIED) + 2),
        scratch_bytes=new.scratch_bytes,
        reason="Armv7E-M: Winograd F(2x2, 3x3) in exact integers, 2.25 times fewer products",
        parts=((f"armv7em_winograd_multiply_{unroll}", 70 + 40 * unroll),),
    )


def _instructions(call: KernelCall, signed: bool, words: int, unroll: int) -> int:
    height, width = integer(call, "output_height"), integer(call, "output_width")
    pairs_of_tiles = integer(call, "batches") * -(-height // 2) * -(-width // 4)
    multiply = _POSITIONS * (10 * words + 3 * words // unroll + 15)
    finish = 4 * (95 + 8 * signed) + 60
    load = 2 * (300 * words + 60)
    return pairs_of_tiles * (load + integer(call, "output_channels") // 2 * (multiply + finish))
