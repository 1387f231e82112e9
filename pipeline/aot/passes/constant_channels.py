"""Constant channels: one whose output no input changes gets constants that every kernel takes.

A filter of zeros, which training, pruning and batch normalization leave behind, is quantized with
a scale near 0: its bias is then far beyond what the sums of the other channels need, and one such
channel keeps the whole layer from the kernels whose sums are narrower than 32 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pipeline.aot.params import array, integer
from pipeline.aot.program import ConstArray, KernelCall, Step, int32_array
from pipeline.fixed_point import multiply_by_quantized_multiplier, wrap_int32

# Axis of the output channels in the weights.
_CHANNEL_AXES: Mapping[str, int] = {
    "conv_2d_s8": 0,
    "depthwise_conv_2d_s8": 3,
    "fully_connected_s8": 0,
    "transpose_conv_s8": 0,
}
_LARGEST_STEP = 256  # of an input from its zero point
# A sum of 256 (output - zero point) times 2^30 / 2^31 / 2^7 is the output, exactly.
_UNIT = 256
_MULTIPLIER, _SHIFT = 1 << 30, -7


def settle_constant_channels(step: Step) -> Step:
    """The step with weights of 0 and an ordinary scale in every channel with one output value."""
    return replace(step, calls=tuple(_settled(call) for call in step.calls))


def _settled(call: KernelCall) -> KernelCall:
    if call.kernel not in _CHANNEL_AXES:
        return call
    weights, bias, multipliers, shifts = (
        array(call, name).copy() for name in ("weights", "bias", "multipliers", "shifts")
    )
    rows = np.moveaxis(weights, _CHANNEL_AXES[call.kernel], 0)  # a view
    changed = False
    for channel, row in enumerate(rows):
        total = int(bias[channel])
        reach = _LARGEST_STEP * int(np.abs(row.astype(np.int64)).sum())
        if reach and shifts[channel] > 0:
            continue  # shifted to the left first, it may wrap
        scaled = [
            multiply_by_quantized_multiplier(x, int(multipliers[channel]), int(shifts[channel]))
            for x in (total - reach, total + reach)
        ]
        output = _output(call, scaled[0])
        if output == _output(call, scaled[1]):
            row[...] = 0
            bias[channel] = _UNIT * (output - integer(call, "output_zero_point"))
            multipliers[channel], shifts[channel] = _MULTIPLIER, _SHIFT
            changed = True
    if not changed:
        return call
    settled = {
        "weights": ConstArray("weights", weights),
        "bias": int32_array("bias", bias),
        "multipliers": int32_array("multipliers", multipliers),
        "shifts": ConstArray("shifts", shifts),
    }
    return replace(call, params={**call.params, **settled})


def _output(call: KernelCall, scaled: int) -> int:
    value = wrap_int32(scaled + integer(call, "output_zero_point"))
    return min(max(value, integer(call, "output_low")), integer(call, "output_high"))
