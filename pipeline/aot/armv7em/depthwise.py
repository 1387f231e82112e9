"""Kernels that see one input channel: depthwise convolution, and conv_2d_s8 on one channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.aot.armv7em import cross_cancel, requantization
from pipeline.aot.armv7em.requantization import Requantization
from pipeline.aot.cost import Candidate
from pipeline.aot.params import array, full_int8_range, integer
from pipeline.aot.program import (
    SAME_PLACE,
    ConstArray,
    FieldValue,
    KernelCall,
    RenderedKernel,
)

FAMILY = "armv7em_depthwise_s8"
_SIZES = (3, 5)  # of square kernels
_GRANULE = 128  # multiples have room in 24 bits, the gaps of a 3x3 or 5x5 kernel's words
_WAYS = 6  # shifts that a layer offers, so that layers can share a kernel
_NARROW = 0.95  # share of instructions by columns from which these are offered
_SLACK_BYTES = 4  # a last odd output reads one activation more than it uses


def candidates(call: KernelCall) -> list[Candidate]:
    """Ways through the plane kernel; none where it does not fit or is not proved exact."""
    single = call.kernel == "conv_2d_s8" and integer(call, "input_channels") == 1
    if not (single or call.kernel == "depthwise_conv_2d_s8"):
        return []
    if not full_int8_range(call) or not _is_plain(call):
        return []
    weights = array(call, "weights").astype(np.int64)
    # (output channels, rows, columns); a convolution of one channel is a depthwise one with a
    # multiplier
    size = integer(call, "kernel_width")
    weights = weights.reshape(-1, size, size) if single else weights.reshape(size * size, -1).T
    weights = weights.reshape(-1, size, size)
    bias = array(call, "bias").astype(np.int64)
    bias -= integer(call, "input_zero_point") * weights.sum(axis=(1, 2))
    sums = cross_cancel.sum_bounds(weights.reshape(len(weights), -1), bias)
    limit = 1 << (requantization.SUM_BITS - 1)
    if int(sums[0].min()) < -limit or int(sums[1].max()) >= limit:
        return []
    layers = [_Layer.of(call, weights, bias)]
    if _is_narrow(layers[0]):
        layers.append(layers[0].transposed())
    return [
        _candidate(call, layer, way, granule == 1)
        for granule in (_GRANULE, 1)
        for way in requantization.fits(
            array(call, "multipliers"),
            array(call, "shifts"),
            integer(call, "output_zero_point"),
            sums,
            signed=integer(call, "output_zero_point") != -128,
            granule=granule,
        )[:_WAYS]
        for layer in layers
    ]


@dataclass(frozen=True, eq=False)
class _Layer:
    """A call's image, by rows or by columns; (height, width) where there are two.

    Attributes:
        weights: (output channels, rows, columns).
        bias: (output channels,), with the input's zero point folded in.
        by_columns: 1 where height means width.
    """

    weights: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64]
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    strides: tuple[int, int]
    padding: tuple[int, int]
    by_columns: int = 0

    @staticmethod
    def of(call: KernelCall, weights: npt.NDArray[np.int64], bias: npt.NDArray[np.int64]) -> _Layer:
        def pair(*names: str) -> tuple[int, int]:
            return integer(call, names[0]), integer(call, names[1])

        return _Layer(
            weights,
            bias,
            pair("input_height", "input_width"),
            pair("output_height", "output_width"),
            pair("stride_height", "stride_width"),
            pair("padding_top", "padding_left"),
        )

    def transposed(self) -> _Layer:
        return _Layer(
            np.swapaxes(self.weights, 1, 2),
            self.bias,
            self.inputs[::-1],
            self.outputs[::-1],
            self.strides[::-1],
            self.padding[::-1],
            by_columns=1,
        )

    @property
    def size(self) -> int:
        """Rows and columns of the kernel."""
        return int(self.weights.shape[2])

    @property
    def plane(self) -> tuple[int, int]:
        """Rows, and 16-bit words from row to row."""
        rows, columns = (
            (outputs - 1) * stride + self.size
            for outputs, stride in zip(self.outputs, self.strides, strict=True)
        )
        return rows, columns + columns % 2

    def core_instructions(self, signed: bool) -> int:
        """Of all outputs of a channel."""
        height, width = self.outputs
        pairs = width // 2 if self.strides[1] == 1 else 0
        pair, single = (27, 19) if self.size == 3 else (58, 42)
        row = 18 + pairs * (pair + 9 * signed) + (width - 2 * pairs) * (single + 4 * signed)
        return height * (row + 2 * self.by_columns)


def _is_narrow(layer: _Layer) -> bool:
    """Whether columns give enough fewer rows for a kernel of their own."""
    other = layer.transposed()
    if other.strides[1] not in (1, 2):
        return False
    return other.core_instructions(False) < _NARROW * layer.core_instructions(False)


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


def _stream(layer: _Layer, constants: Requantization, wide: bool) -> ConstArray:
    """int32, per output channel: weights as bytes, bias, multiplier (a word of its own if wide)."""
    channels, size, _ = layer.weights.shape
    rows = layer.weights[:, :, _ROW_BYTES[size]].astype(np.int8)
    high = np.zeros_like(layer.bias) if wide else constants.multipliers // _GRANULE
    gaps = high.astype("<i4").view(np.int8).reshape(channels, 4)[:, :3]
    if size == 3:
        packed = np.concatenate([gaps[:, :, np.newaxis], rows], axis=2)
    else:
        last = layer.weights[:, :, 4].astype(np.int8)
        packed = np.concatenate([rows.reshape(channels, -1), last, gaps], axis=1)
    words = np.ascontiguousarray(packed.reshape(channels, -1)).view("<i4")
    columns = [*words.T, (layer.bias << 8) + constants.phases]
    if wide:
        columns.append(constants.multipliers)
    return ConstArray("stream", np.stack(columns, axis=1).astype(np.int32).ravel())


def _params(
    call: KernelCall, layer: _Layer, constants: Requantization, stream: ConstArray
) -> dict[str, FieldValue]:
    inputs = integer(call, "input_channels")
    plane_rows, plane_pitch = layer.plane
    return {
        "batches": integer(call, "batches"),
        "input_height": layer.inputs[0],
        "input_width": layer.inputs[1],
        "input_channels": inputs,
        "output_height": layer.outputs[0],
        "output_width": layer.outputs[1],
        "depth_multiplier": len(layer.weights) // inputs,
        "stride_height": layer.strides[0],
        "stride_width": layer.strides[1],
        "padding_top": layer.padding[0],
        "padding_left": layer.padding[1],
        "input_zero_point": integer(call, "input_zero_point"),
        "plane_rows": plane_rows,
        "plane_pitch": plane_pitch,
        "offset": constants.offset,
        "transposed": layer.by_columns,
        "stream": stream,
    }


def _works_in_place(call: KernelCall, layer: _Layer) -> bool:
    """Whether the output may lie where the input does.

    All rows of a channel are written before the next channel is read: an output overwrites no
    activation but its channel's.
    """
    return (
        integer(call, "batches") == 1
        and len(layer.weights) == integer(call, "input_channels")
        and layer.outputs[0] <= layer.inputs[0]
        and layer.outputs[1] <= layer.inputs[1]
    )


def _kernel_call(
    call: KernelCall, layer: _Layer, constants: Requantization, wide: bool
) -> KernelCall:
    stream = _stream(layer, constants, wide)
    form = "signed" if constants.signed else "relu"
    variant = f"{form}{constants.shift}{'_wide' * wide}{'_columns' * layer.by_columns}"
    plane_rows, plane_pitch = layer.plane
    return KernelCall(
        f"{FAMILY}_{layer.size}x{layer.size}_{variant}",
        _params(call, layer, constants, stream),
        call.inputs,
        call.outputs,
        scratch_bytes=2 * plane_rows * plane_pitch + _SLACK_BYTES,
        family=FAMILY,
        rendered=RenderedKernel(
            "armv7em/depthwise_s8.c.j2",
            (
                ("size", layer.size),
                ("signed", int(constants.signed)),
                ("wide", int(wide)),
                ("transposed", layer.by_columns),
                ("shift", constants.shift),
                ("variant", variant),
                ("words", stream.data.size // len(layer.weights)),
            ),
        ),
        leads=(SAME_PLACE,) if _works_in_place(call, layer) else (),
    )


def _candidate(call: KernelCall, layer: _Layer, constants: Requantization, wide: bool) -> Candidate:
    new = _kernel_call(call, layer, constants, wide)
    expand = 75 if layer.size == 3 else 128
    core = len(layer.weights) * (expand + layer.core_instructions(constants.signed))
    unpack = integer(call, "input_channels") * layer.inputs[0] * (12 + 3 * layer.inputs[1])
    return Candidate(
        (new,),
        instructions=integer(call, "batches") * (core + unpack),
        code_bytes=(380 if layer.size == 3 else 530) + (60 if constants.signed else 0),
        const_bytes=int(array(new, "stream").nbytes) + 4 * len(new.params),
        scratch_bytes=new.scratch_bytes,
        reason="Armv7E-M: two outputs of a row at a time from a plane of 16 bits",
        parts=(("armv7em_depthwise_planes", 600),),
    )
