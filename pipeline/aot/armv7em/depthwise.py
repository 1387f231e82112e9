"""Kernels that see one input channel: depthwise convolution, and conv_2d_s8 on one channel."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipeline.aot.armv7em import cross_cancel, requantization
from pipeline.aot.armv7em.params import array, full_int8_range, integer
from pipeline.aot.armv7em.requantization import Requantization
from pipeline.aot.cost import Candidate
from pipeline.aot.program import (
    SAME_PLACE,
    ConstArray,
    FieldValue,
    KernelCall,
    RenderedKernel,
)

FAMILY = "armv7em_depthwise_s8"
_COPIED = (
    "batches",
    "input_height",
    "input_width",
    "input_channels",
    "output_height",
    "output_width",
    "depth_multiplier",
    "stride_height",
    "stride_width",
    "padding_top",
    "padding_left",
    "input_zero_point",
)
_SIZES = (3, 5)  # of square kernels
_WAYS = 6  # shifts that a layer offers, so that layers can share a kernel
_SLACK_BYTES = 4  # a last odd output reads one activation more than it uses


def candidates(call: KernelCall) -> list[Candidate]:
    """Ways through the plane kernel; none where it does not fit or is not proved exact."""
    single = call.kernel == "conv_2d_s8" and integer(call, "input_channels") == 1
    if not (single or call.kernel == "depthwise_conv_2d_s8"):
        return []
    if not full_int8_range(call) or not _is_plain(call):
        return []
    weights = array(call, "weights").astype(np.int64)
    # (output channels, taps); a convolution of one channel is a depthwise one with a multiplier
    taps = integer(call, "kernel_height") * integer(call, "kernel_width")
    weights = weights.reshape(-1, taps) if single else weights.reshape(taps, -1).T
    bias = array(call, "bias").astype(np.int64)
    bias -= integer(call, "input_zero_point") * weights.sum(axis=1)
    sums = cross_cancel.sum_bounds(weights, bias)
    limit = 1 << (requantization.SUM_BITS - 1)
    if int(sums[0].min()) < -limit or int(sums[1].max()) >= limit:
        return []
    ways = requantization.fits(
        array(call, "multipliers"), array(call, "shifts"), integer(call, "output_zero_point"), sums
    )
    return [_candidate(call, each, _stream(weights, bias, each)) for each in ways[:_WAYS]]


def _is_plain(call: KernelCall) -> bool:
    """A square kernel of a size that has a template, neither dilated nor with a long stride."""
    dilation = (integer(call, "dilation_height"), integer(call, "dilation_width"))
    return (
        integer(call, "kernel_width") in _SIZES
        and integer(call, "kernel_height") == integer(call, "kernel_width")
        and dilation == (1, 1)
        and integer(call, "stride_width") in (1, 2)
    )


# Columns of weights in the bytes 1, 2, 3 or 0, 1, 2, 3 of a row's word: the halves of the word and
# of the word shifted left by 8 hold what templates/aot/armv7em/depthwise_*.j2 multiply by.
_ROW_BYTES = {3: (0, 2, 1), 5: (2, 0, 3, 1)}


def _stream(
    weights: npt.NDArray[np.int64], bias: npt.NDArray[np.int64], constants: Requantization
) -> ConstArray:
    """int32, per output channel: weights and bias of 24 bits as bytes, requantization constants."""
    channels = weights.shape[0]
    size = math.isqrt(weights.shape[1])
    rows = weights.reshape(channels, size, size)[:, :, _ROW_BYTES[size]].astype(np.int8)
    bias_bytes = bias.astype("<i4").view(np.int8).reshape(channels, 4)[:, :3]
    if size == 3:
        packed = np.concatenate([bias_bytes[:, :, np.newaxis], rows], axis=2)
    else:
        last = weights.reshape(channels, size, size)[:, :, 4].astype(np.int8)
        packed = np.concatenate([rows.reshape(channels, -1), last, bias_bytes], axis=1)
    words = np.ascontiguousarray(packed.reshape(channels, -1)).view("<i4")
    columns = [*words.T, constants.multipliers, constants.offsets]
    if constants.negative_steps is not None:
        columns.append(constants.negative_steps)
    return ConstArray("stream", np.stack(columns, axis=1).astype(np.int32).ravel())


def _candidate(call: KernelCall, constants: Requantization, stream: ConstArray) -> Candidate:
    signed = constants.negative_steps is not None
    variant = f"{'signed' if signed else 'relu'}{constants.shift}"
    values: dict[str, FieldValue] = dict(call.params)
    channels = int(constants.multipliers.size)
    size = integer(call, "kernel_width")
    values.setdefault("depth_multiplier", channels)
    rows = (integer(call, "output_height") - 1) * integer(call, "stride_height") + size
    columns = (integer(call, "output_width") - 1) * integer(call, "stride_width") + size
    pitch = columns + columns % 2
    scratch = 2 * rows * pitch + _SLACK_BYTES
    params: dict[str, FieldValue] = {name: values[name] for name in _COPIED}
    params |= {"plane_rows": rows, "plane_pitch": pitch, "stream": stream}
    # All rows of a channel are written before the next channel is read: in one place, an output
    # overwrites no activation but its channel's.
    in_place = (
        integer(call, "batches") == 1
        and values["depth_multiplier"] == 1
        and integer(call, "output_height") <= integer(call, "input_height")
        and integer(call, "output_width") <= integer(call, "input_width")
    )
    new = KernelCall(
        f"{FAMILY}_{size}x{size}_{variant}",
        params,
        call.inputs,
        call.outputs,
        scratch_bytes=scratch,
        family=FAMILY,
        rendered=RenderedKernel(
            "armv7em/depthwise_s8.c.j2",
            (
                ("size", size),
                ("signed", int(signed)),
                ("shift", constants.shift),
                ("variant", variant),
                ("words", stream.data.size // channels),
            ),
        ),
        leads=(SAME_PLACE,) if in_place else (),
    )
    return Candidate(
        (new,),
        instructions=_instructions(call, channels, signed),
        code_bytes=(650 if size == 3 else 800) + (60 if signed else 0),
        const_bytes=int(stream.data.nbytes) + 4 * len(params),
        scratch_bytes=scratch,
        reason="Armv7E-M: two outputs of a row at a time from a plane of 16 bits",
    )


def _instructions(call: KernelCall, channels: int, signed: bool) -> int:
    width, height = integer(call, "output_width"), integer(call, "output_height")
    pairs = width // 2 if integer(call, "stride_width") == 1 else 0
    pair, single = (27, 19) if integer(call, "kernel_width") == 3 else (58, 42)
    row = 18 + pairs * (pair + 9 * signed) + (width - 2 * pairs) * (single + 4 * signed)
    unpack = integer(call, "input_height") * (12 + 3 * integer(call, "input_width"))
    planes = integer(call, "input_channels")
    batches = integer(call, "batches")
    expand = 12 if integer(call, "kernel_width") == 3 else 65
    return batches * (channels * (50 + expand + height * row) + planes * unpack)
