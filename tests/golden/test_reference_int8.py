"""The int8 arithmetic of pipeline.reference, written from the rounding rules, against TFLM."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

from kernel_image import make_case
from pipeline import ops
from pipeline.graph import Operator
from pipeline.reference import int8
from tflm import interpret

CASES = 60


def scaling_of(op: Operator) -> int8.Scaling:
    source, weights = op.input(0), op.input(1)
    assert weights.quantization is not None
    return int8.Scaling(
        source.scale,
        source.zero_point,
        weights.quantization.scales,
        op.output.scale,
        op.output.zero_point,
        op.attributes.activation.name,
    )


def by_reference(op: Operator, x: np.ndarray) -> np.ndarray:
    """What the reference computes for a single-op model with constant weights."""
    weights, channels = op.input(1).data, op.output.shape[-1]
    given = op.optional_input(2)
    bias = np.zeros(channels, np.int32) if given is None else given.data.ravel()
    if op.kind == "FULLY_CONNECTED":
        rows = x.reshape(-1, weights.shape[1])
        return int8.dense(rows, weights, bias, scaling_of(op)).reshape(op.output.shape)
    layer: Any = int8.conv2d if op.kind == "CONV_2D" else int8.depthwise_conv2d
    a = op.attributes
    return layer(
        x,
        weights,
        bias,
        scaling_of(op),
        (a.stride_height, a.stride_width),
        (a.dilation_height, a.dilation_width),
        a.padding.name.lower(),
    )


@pytest.mark.parametrize("kind", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"])
def test_layers_are_bit_identical_to_tflm(kind: str) -> None:
    rng = np.random.default_rng(zlib.crc32(kind.encode()) + 1)
    compared = 0
    while compared < CASES:
        case = make_case(ops.definitions()[kind].draw(rng).model, rng)
        [op] = case.graph.operators
        if kind == "CONV_2D" and op.input(0).shape[3] != op.input(1).shape[3]:
            continue  # the reference has no groups
        for vector, [expected] in zip(
            case.vectors, interpret(case.model, case.graph, case.vectors), strict=True
        ):
            np.testing.assert_array_equal(by_reference(op, vector[0]), expected)
        compared += 1
