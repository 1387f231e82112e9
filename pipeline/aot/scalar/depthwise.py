"""depthwise_conv_2d_s8, 3x3: a channel's weights stay in registers while its window slides."""

from __future__ import annotations

import numpy as np

from pipeline.aot.cost import Candidate
from pipeline.aot.params import array, integer
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, RenderedKernel
from pipeline.aot.scalar.channels import Requantization, as_words, requantization
from pipeline.aot.scalar.core import Core

_FAMILY = "scalar_depthwise_3x3_s8"
_TAPS = 9
_CODE_BYTES = 1000
_GATHER_INSTRUCTIONS = 5  # an input
FIELDS = (
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


def candidates(core: Core, call: KernelCall) -> list[Candidate]:
    """The sliding kernel, where it applies and is proved exact."""
    if call.kernel != "depthwise_conv_2d_s8" or not is_plain_3x3(call):
        return []
    channels = integer(call, "input_channels")
    weights = np.ascontiguousarray(array(call, "weights").reshape(_TAPS, channels).T)
    sums = weights.astype(np.int64).sum(axis=1)
    bias = array(call, "bias").astype(np.int64) - integer(call, "input_zero_point") * sums
    found = requantization(call, weights, bias, multiplies_high=True)
    if found is None:
        return []
    arrays = (
        ConstArray("weights", weights.ravel()),
        ConstArray("constants", as_words(found.words)),
    )
    height, width = plane_sides(call)
    plane = height * width
    outputs, inputs = call.outputs[0].size, call.inputs[0]
    assert not isinstance(inputs, ConstArray), "a depthwise convolution of activations"
    each = core.tap * _TAPS + core.output
    return [
        Candidate(
            (_rendered(call, arrays, plane, found),),
            instructions=round(outputs * each + inputs.size * _GATHER_INSTRUCTIONS),
            code_bytes=_CODE_BYTES,
            const_bytes=sum(a.data.nbytes for a in arrays),
            scratch_bytes=plane,
            reason="scalar: nine weights in registers, channel by channel",
        )
    ]


def _rendered(
    call: KernelCall, arrays: tuple[ConstArray, ...], plane: int, found: Requantization
) -> KernelCall:
    fields: dict[str, FieldValue] = {name: integer(call, name) for name in FIELDS}
    stride = integer(call, "stride_height")
    return KernelCall(
        f"{_FAMILY}_stride_{stride}{found.suffix}",
        {
            **{name: fields[name] for name in FIELDS[:2]},
            "channels": integer(call, "input_channels"),
            **{name: fields[name] for name in FIELDS[2:]},
            "plane_bytes": plane,
            **{a.name: a for a in arrays},
        },
        call.inputs,
        call.outputs,
        scratch_bytes=plane,
        family=_FAMILY,
        rendered=RenderedKernel(
            "scalar/depthwise_3x3_s8.c.j2", (("stride", stride), *found.values)
        ),
    )


def is_plain_3x3(call: KernelCall) -> bool:
    """One image, one output channel for every input channel, undilated, stride 1 or 2 both ways."""
    names = ("batches", "depth_multiplier", "dilation_height", "dilation_width")
    kernel = (integer(call, "kernel_height"), integer(call, "kernel_width"))
    strides = (integer(call, "stride_height"), integer(call, "stride_width"))
    return (
        all(integer(call, name) == 1 for name in names)
        and kernel == (3, 3)
        and strides in ((1, 1), (2, 2))
    )


def plane_sides(call: KernelCall) -> tuple[int, int]:
    """Height and width of all windows and the whole image, with the padding in front."""
    height, width = (
        max(
            (integer(call, f"output_{axis}") - 1) * integer(call, f"stride_{axis}") + 3,
            integer(call, f"padding_{padding}") + integer(call, f"input_{axis}"),
        )
        for axis, padding in (("height", "top"), ("width", "left"))
    )
    return height, width
