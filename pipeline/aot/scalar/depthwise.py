"""depthwise_conv_2d_s8, 3x3: a channel's weights stay in registers while its window slides."""

from __future__ import annotations

import numpy as np

from pipeline.aot.armv7em.params import array, integer
from pipeline.aot.cost import Candidate
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, RenderedKernel
from pipeline.aot.scalar.channels import Requantization, as_words, requantization
from pipeline.aot.scalar.core import Core

_FAMILY = "scalar_depthwise_3x3_s8"
_TAPS = 9
_CODE_BYTES = 1000
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


def candidates(core: Core, call: KernelCall) -> list[Candidate]:
    """The sliding kernel, where it applies and is proved exact."""
    if call.kernel != "depthwise_conv_2d_s8" or not _applies(call):
        return []
    channels = integer(call, "input_channels")
    weights = np.ascontiguousarray(array(call, "weights").reshape(_TAPS, channels).T)
    sums = weights.astype(np.int64).sum(axis=1)
    bias = array(call, "bias").astype(np.int64) - integer(call, "input_zero_point") * sums
    found = requantization(call, weights, bias, core.multiplies_high)
    if found is None:
        return []
    words = found.words.copy()
    if core.flips:  # inputs are 128 larger
        words[:, 0] -= 128 * sums
    arrays = (
        ConstArray("weights", weights.ravel().astype(np.int16 if core.flips else np.int8)),
        ConstArray("constants", as_words(words)),
    )
    plane = _plane_bytes(call)
    outputs, inputs = call.outputs[0].size, call.inputs[0]
    assert not isinstance(inputs, ConstArray), "a depthwise convolution of activations"
    each = core.tap * _TAPS + core.output
    return [
        Candidate(
            (_rendered(core, call, arrays, plane, found),),
            instructions=round(outputs * each + inputs.size * _GATHER_INSTRUCTIONS),
            code_bytes=_CODE_BYTES,
            const_bytes=sum(a.data.nbytes for a in arrays),
            scratch_bytes=plane,
            reason=f"scalar: {_reason(core)}, channel by channel",
        )
    ]


def _rendered(
    core: Core,
    call: KernelCall,
    arrays: tuple[ConstArray, ...],
    plane: int,
    found: Requantization,
) -> KernelCall:
    fields: dict[str, FieldValue] = {name: integer(call, name) for name in _FIELDS}
    stride = integer(call, "stride_height")
    values: tuple[tuple[str, int | str], ...] = (
        ("stride", stride),
        ("input_type", "uint8_t" if core.flips else "int8_t"),
        ("weight_type", "int16_t" if core.flips else "int8_t"),
        ("flips", int(core.flips)),
        ("together", core.together),
        *found.values,
    )
    return KernelCall(
        f"{_FAMILY}_stride_{stride}{found.suffix}",
        {
            **{name: fields[name] for name in _FIELDS[:2]},
            "channels": integer(call, "input_channels"),
            **{name: fields[name] for name in _FIELDS[2:]},
            "plane_bytes": plane,
            **{a.name: a for a in arrays},
        },
        call.inputs,
        call.outputs,
        scratch_bytes=plane,
        family=_FAMILY,
        rendered=RenderedKernel("scalar/depthwise_3x3_s8.c.j2", values),
    )


def _reason(core: Core) -> str:
    return "nine weights in registers" if core.together == 1 else f"{core.together} outputs at once"


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
