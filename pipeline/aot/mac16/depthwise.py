"""depthwise_conv_2d_s8, 3x3: a channel's weights stay in registers while its window slides."""

from __future__ import annotations

import numpy as np

from pipeline.aot.cost import Candidate
from pipeline.aot.mac16.weights import pack_weights
from pipeline.aot.params import array, integer
from pipeline.aot.program import SAME_PLACE, ConstArray, FieldValue, KernelCall, RenderedKernel
from pipeline.aot.scalar.channels import as_words, requantization
from pipeline.aot.scalar.depthwise import FIELDS, is_plain_3x3, plane_sides

_FAMILY = "mac16_depthwise_3x3_s8"
_TAPS = 9
_WORD = 4  # bytes
_CODE_BYTES = 900
# Emulated instructions (`python -m benchmarks.layers`).
_OUTPUT = 40.0
_OUTPUT_WITH_HIGH_PRODUCT = 34.0
_INPUT = 5.5
_CHANNEL = 100.0


def candidates(multiplies_high: bool, call: KernelCall) -> list[Candidate]:
    """The sliding kernel, where it applies and is proved exact."""
    if call.kernel != "depthwise_conv_2d_s8" or not is_plain_3x3(call):
        return []
    channels = integer(call, "input_channels")
    weights = np.ascontiguousarray(array(call, "weights").reshape(_TAPS, channels).T)
    sums = weights.astype(np.int64).sum(axis=1)
    bias = array(call, "bias").astype(np.int64) - integer(call, "input_zero_point") * sums
    found, packed = requantization(call, weights, bias, multiplies_high), pack_weights(weights)
    if found is None or packed is None:
        return []
    words = found.words.copy()
    words[:, 0] -= 128 * sums  # inputs are 128 larger
    arrays = (ConstArray("weights", packed), ConstArray("constants", as_words(words)))
    height, width = plane_sides(call)
    plane_words = (width + 1) // 2
    fields: dict[str, FieldValue] = {name: integer(call, name) for name in FIELDS}
    stride, scratch = integer(call, "stride_height"), _WORD * height * plane_words
    outputs = call.outputs[0].size
    inputs = channels * integer(call, "input_height") * integer(call, "input_width")
    each = _OUTPUT if found.parts > 1 else _OUTPUT_WITH_HIGH_PRODUCT
    return [
        Candidate(
            (
                KernelCall(
                    f"{_FAMILY}_stride_{stride}{found.suffix}",
                    {
                        **{name: fields[name] for name in FIELDS[:2]},
                        "channels": channels,
                        **{name: fields[name] for name in FIELDS[2:]},
                        "plane_height": height,
                        "plane_words": plane_words,
                        **{a.name: a for a in arrays},
                    },
                    call.inputs,
                    call.outputs,
                    scratch_bytes=scratch,
                    family=_FAMILY,
                    rendered=RenderedKernel(
                        "mac16/depthwise_3x3_s8.c.j2", (("stride", stride), *found.values)
                    ),
                    leads=(SAME_PLACE,) if _works_in_place(call) else (),
                ),
            ),
            instructions=round(outputs * each + inputs * _INPUT + channels * _CHANNEL),
            code_bytes=_CODE_BYTES,
            const_bytes=sum(a.data.nbytes for a in arrays),
            scratch_bytes=scratch,
            reason="MAC16: nine weights in registers, channel by channel",
        )
    ]


def _works_in_place(call: KernelCall) -> bool:
    """A channel is copied before its outputs are written: they overwrite no other channel."""
    return all(
        integer(call, f"output_{axis}") <= integer(call, f"input_{axis}")
        for axis in ("height", "width")
    )
