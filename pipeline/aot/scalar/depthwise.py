"""depthwise_conv_2d_s8, 3x3: a channel's weights stay in registers while its window slides."""

from __future__ import annotations

import numpy as np

from pipeline.aot.armv7em.params import array, full_int8_range, integer
from pipeline.aot.cost import Candidate
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, RenderedKernel
from pipeline.aot.scalar.channels import as_words, pack
from pipeline.aot.scalar.core import Core

_FAMILY = "scalar_depthwise_3x3_s8"
_TAPS = 9
_CODE_BYTES = 900
_GATHER_INSTRUCTIONS = 5  # an input
_FIELDS = (
    "input_height",
    "input_width",
    "output_height",
    "output_width",
    "padding_top",
    "padding_left",
    "input_zero_point",
    "output_low",
    "output_high",
)


def candidate(core: Core, call: KernelCall) -> Candidate | None:
    """The sliding kernel, or None where it does not apply or is not proved exact."""
    if call.kernel != "depthwise_conv_2d_s8" or not _applies(call):
        return None
    channels = integer(call, "input_channels")
    weights = np.ascontiguousarray(array(call, "weights").reshape(_TAPS, channels).T)
    zero_point = integer(call, "input_zero_point")
    bias = array(call, "bias").astype(np.int64) - zero_point * weights.astype(np.int64).sum(axis=1)
    constants = pack(call, weights, bias)
    if constants is None:
        return None
    arrays = {
        "weights": ConstArray("weights", weights.ravel()),
        "constants": ConstArray("constants", as_words(constants)),
    }
    plane = _plane_bytes(call)
    fields: dict[str, FieldValue] = {name: integer(call, name) for name in _FIELDS}
    fields = {
        **{name: fields[name] for name in _FIELDS[:2]},
        "channels": channels,
        **{name: fields[name] for name in _FIELDS[2:]},
        "plane_bytes": plane,
    }
    stride = integer(call, "stride_height")
    saturates = full_int8_range(call)
    new = KernelCall(
        f"{_FAMILY}_stride_{stride}{'' if saturates else '_clamped'}",
        {**fields, **arrays},
        call.inputs,
        call.outputs,
        scratch_bytes=plane,
        family=_FAMILY,
        rendered=RenderedKernel(
            "scalar/depthwise_3x3_s8.c.j2", (("stride", stride), ("saturates", int(saturates)))
        ),
    )
    outputs, inputs = call.outputs[0].size, call.inputs[0]
    assert not isinstance(inputs, ConstArray), "a depthwise convolution of activations"
    each = core.tap * _TAPS + core.output
    return Candidate(
        (new,),
        instructions=round(outputs * each + inputs.size * _GATHER_INSTRUCTIONS),
        code_bytes=_CODE_BYTES,
        const_bytes=sum(a.data.nbytes for a in arrays.values()),
        scratch_bytes=plane,
        reason="scalar: nine weights in registers, channel by channel",
    )


def _applies(call: KernelCall) -> bool:
    names = ("batches", "depth_multiplier", "dilation_height", "dilation_width")
    kernel = (integer(call, "kernel_height"), integer(call, "kernel_width"))
    strides = (integer(call, "stride_height"), integer(call, "stride_width"))
    return (
        all(integer(call, name) == 1 for name in names)
        and kernel == (3, 3)
        and strides in ((1, 1), (2, 2))
    )


def _plane_bytes(call: KernelCall) -> int:
    """All windows and the whole image, with the padding in front."""
    sides = []
    for axis, padding in (("height", "top"), ("width", "left")):
        windows = (integer(call, f"output_{axis}") - 1) * integer(call, f"stride_{axis}") + 3
        image = integer(call, f"padding_{padding}") + integer(call, f"input_{axis}")
        sides.append(max(windows, image))
    return sides[0] * sides[1]
