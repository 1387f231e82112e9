"""Reads the parameters of portable calls."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from pipeline.aot.program import ConstArray, KernelCall


def integer(call: KernelCall, name: str) -> int:
    """The value of an integer parameter."""
    value = call.params[name]
    assert isinstance(value, int), f"{call.kernel}.{name} is an integer"
    return value


def array(call: KernelCall, name: str) -> npt.NDArray[Any]:
    """The data of a constant parameter."""
    value = call.params[name]
    assert isinstance(value, ConstArray), f"{call.kernel}.{name} is an array"
    return value.data


def full_int8_range(call: KernelCall) -> bool:
    """Whether the activation leaves the whole of int8 to the output."""
    return (integer(call, "output_low"), integer(call, "output_high")) == (-128, 127)


def is_grouped(call: KernelCall) -> bool:
    """Whether a convolution's filters see some of the input channels each."""
    return integer(call, "kernel_channels") != integer(call, "input_channels")


def is_dilated(call: KernelCall) -> bool:
    """Whether the taps of a convolution's windows are apart."""
    return (integer(call, "dilation_height"), integer(call, "dilation_width")) != (1, 1)
