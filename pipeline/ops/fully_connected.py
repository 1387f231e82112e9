"""FULLY_CONNECTED: rows of the input times a weight matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.aot.program import KernelCall, Step
from pipeline.graph import Operator, Shape
from pipeline.ops import OperatorDefinition, SingleOpCase, register, require
from pipeline.ops.shared import cases, rules
from pipeline.ops.shared.rules import Activation
from pipeline.ops.shared.weighted_sum import (
    WEIGHTED_SUM_OPTIONS,
    WeightedSum,
    draw_weighted_sum,
    require_weighted_sum,
)

_CHANNEL_AXIS = 0  # of the weights [output size][input size]


@dataclass(frozen=True)
class FullyConnectedAttributes:
    """Attributes of FULLY_CONNECTED.

    Attributes:
        keep_num_dims: whether the output has as many dimensions as the input, instead of two.
        shuffled_weights: whether the weights are stored in a layout of their own.
    """

    activation: Activation
    keep_num_dims: bool
    shuffled_weights: bool


def _parse(raw: Any) -> FullyConnectedAttributes | None:
    options = rules.options_of(raw, "FullyConnectedOptionsT")
    if options is None:
        return None
    return FullyConnectedAttributes(
        activation=Activation(options.fusedActivationFunction),
        keep_num_dims=bool(options.keepNumDims),
        shuffled_weights=options.weightsFormat != schema.FullyConnectedOptionsWeightsFormat.DEFAULT,
    )


def _require_matrix(op: Operator) -> tuple[int, int, int]:
    """Rows of the input, input size and output size."""
    attributes = rules.require_attributes(op, FullyConnectedAttributes)
    rules.require_operands(op, (2, 3))
    source = rules.require_input(op, 0, "input")
    weights = rules.require_input(op, 1, "weights")
    rules.require_rank(op, weights, (2,), "weights")
    output_size, input_size = weights.shape
    require(
        op,
        source.size % input_size == 0,
        f"the input's {source.size} elements must divide into rows of {input_size}",
    )
    require(
        op,
        not attributes.keep_num_dims or source.shape[-1:] == (input_size,),
        f"with keep_num_dims the input's last dimension must be {input_size}, its shape is "
        f"{source.shape}",
    )
    return source.size // input_size, input_size, output_size


def _output_shapes(op: Operator) -> tuple[Shape, ...]:
    rows, _, output_size = _require_matrix(op)
    if op.attributes.keep_num_dims:
        return ((*op.input(0).shape[:-1], output_size),)
    return ((rows, output_size),)


def _check(op: Operator) -> None:
    _require_matrix(op)
    require(op, not op.attributes.shuffled_weights, "weights must have the default format")
    rules.require_fused_activation(op, op.attributes.activation)
    _weighted_sum(op)


def _weighted_sum(op: Operator) -> WeightedSum:
    quantization = op.input(1).quantization
    per_tensor = quantization is not None and not quantization.per_channel
    return require_weighted_sum(op, _CHANNEL_AXIS, single_precision_product=per_tensor)


def _macs(op: Operator) -> int:
    """Rows x input size x output size."""
    rows, input_size, output_size = _require_matrix(op)
    return rows * input_size * output_size


def _lower(op: Operator) -> Step:
    rows, input_size, _ = _require_matrix(op)
    params = _weighted_sum(op).fully_connected_params(op, rows, input_size)
    return Step(
        (op,),
        (
            KernelCall(
                "fully_connected_s8",
                params,
                (rules.kernel_input(op.input(0), "input"),),
                (op.output,),
            ),
        ),
    )


def _draw(rng: np.random.Generator) -> SingleOpCase:
    input_size = cases.pick(rng, (1, 2, 3, 4, 7, 16, 33, 64, 200))
    output_size = cases.pick(rng, (1, 2, 3, 4, 5, 8, 10, 17))
    leading = cases.pick(rng, ((), (1,), (1,), (3,), (1, 2), (2, 1, 3)))
    keep_num_dims = cases.chance(rng, 0.5)
    drawn = draw_weighted_sum(rng, (output_size, input_size), _CHANNEL_AXIS)
    rows = int(np.prod(leading, dtype=int))
    shape = (*leading, input_size)
    flattened = not keep_num_dims and len(leading) > 1
    if flattened:  # the rows need not be the last dimension
        shape = (rows * input_size,)
    result = (*leading, output_size) if keep_num_dims else (rows, output_size)
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = drawn.activation.value
    options.keepNumDims = keep_num_dims
    model = cases.single_op_model(
        "FULLY_CONNECTED",
        (cases.int8_operand(shape, drawn.input), drawn.weights, drawn.bias),
        (cases.int8_operand(result, drawn.output),),
        options,
    )
    found = {
        "rows of a flattened input": flattened,
        "keep_num_dims": keep_num_dims,
        "one row": rows == 1,
        "several rows": rows > 1,
        "one input": input_size == 1,
        "one output": output_size == 1,
    }
    return SingleOpCase(model, drawn.labels | {label for label, holds in found.items() if holds})


register(
    OperatorDefinition(
        kind="FULLY_CONNECTED",
        output_shapes=_output_shapes,
        check=_check,
        macs=_macs,
        lower=_lower,
        draw=_draw,
        options=WEIGHTED_SUM_OPTIONS
        | {
            "rows of a flattened input",
            "keep_num_dims",
            "one row",
            "several rows",
            "one input",
            "one output",
        },
        parse=_parse,
    )
)
