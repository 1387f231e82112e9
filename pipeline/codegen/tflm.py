"""Graph -> sources for TensorFlow Lite Micro: the file as an array, its operators, golden data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline import __version__
from pipeline.codegen.aot import describe, float_literal
from pipeline.codegen.templates import render_template
from pipeline.codegen.tflm_arena import estimated_arena_bytes
from pipeline.errors import ModelError, UnsupportedOperatorError
from pipeline.graph import DType, Graph, Operator, Tensor

_BYTES_PER_LINE = 16
PER_CHANNEL_DENSE_SINCE = 2024  # year of TFLM sources
_MEAN_OF_INTEGERS_SINCE = 2024


@dataclass(frozen=True)
class _Registration:
    """How an operator is added to TFLM's MicroMutableOpResolver.

    Attributes:
        method: without its "Add".
        int8_header: of `tensorflow/lite/micro/kernels/`, where an int8 registration is declared
            that every release since early 2023 has; None where there is none.
    """

    method: str
    int8_header: str | None = None


# The operators that both Chirale_TensorFLowLite 2.0.0 (TFLM of early 2023) and today's TFLM take in
# one subgraph; custom operators and those for control flow and variables are left out.
_REGISTRATIONS = {
    "ADD": _Registration("Add", "add"),
    "AVERAGE_POOL_2D": _Registration("AveragePool2D", "pooling"),
    "CONV_2D": _Registration("Conv2D", "conv"),
    "DEPTHWISE_CONV_2D": _Registration("DepthwiseConv2D", "depthwise_conv"),
    "FULLY_CONNECTED": _Registration("FullyConnected", "fully_connected"),
    "MAX_POOL_2D": _Registration("MaxPool2D", "pooling"),
    "MUL": _Registration("Mul", "mul"),
    "SOFTMAX": _Registration("Softmax", "softmax"),
    "BATCH_TO_SPACE_ND": _Registration("BatchToSpaceNd"),
    "CUMSUM": _Registration("CumSum"),
    "L2_POOL_2D": _Registration("L2Pool2D"),
    "PADV2": _Registration("PadV2"),
    "SELECT_V2": _Registration("SelectV2"),
    "SPACE_TO_BATCH_ND": _Registration("SpaceToBatchNd"),
    "SPLIT_V": _Registration("SplitV"),
} | {
    # Named by the operator's words: HARD_SWISH is AddHardSwish.
    kind: _Registration("".join(word.capitalize() for word in kind.split("_")))
    for kind in (
        "ABS", "ADD_N", "ARG_MAX", "ARG_MIN", "BROADCAST_ARGS", "BROADCAST_TO", "CAST", "CEIL",
        "CONCATENATION", "COS", "DEPTH_TO_SPACE", "DEQUANTIZE", "DIV", "ELU", "EQUAL", "EXP",
        "EXPAND_DIMS", "FILL", "FLOOR", "FLOOR_DIV", "FLOOR_MOD", "GATHER", "GATHER_ND", "GREATER",
        "GREATER_EQUAL", "HARD_SWISH", "L2_NORMALIZATION", "LEAKY_RELU", "LESS", "LESS_EQUAL",
        "LOG", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "LOGISTIC", "LOG_SOFTMAX", "MAXIMUM",
        "MEAN", "MINIMUM", "MIRROR_PAD", "NEG", "NOT_EQUAL", "PACK", "PAD", "PRELU", "QUANTIZE",
        "REDUCE_MAX", "RELU", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR",
        "ROUND", "RSQRT", "SHAPE", "SIN", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "SQRT", "SQUARE",
        "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "SVDF", "TANH", "TRANSPOSE",
        "TRANSPOSE_CONV", "UNPACK", "ZEROS_LIKE",
    )
}  # fmt: skip


def render_tflm(
    graph: Graph, content: bytes, name: str, sha256: str, arena_bytes: int | None = None
) -> dict[str, str]:
    """`model_data.h`, `model_data.cc` and `op_resolver.h`.

    Args:
        graph: of `content`.
        content: the .tflite file.
        name: the model's name, for comments.
        sha256: of `content`, 64 hexadecimal digits.
        arena_bytes: size of TFLM's arena; None for an estimate from above.

    Raises:
        UnsupportedOperatorError: TFLM has no such operator.
    """
    kinds: dict[str, list[Operator]] = {}
    for operator in graph.operators:
        kinds.setdefault(operator.kind, []).append(operator)
    values: dict[str, object] = {
        "name": name.replace("*/", "* /"),
        "sha256": sha256,
        "version": __version__,
        "arena_bytes": arena_bytes or estimated_arena_bytes(graph),
        "inputs": [_interface(tensor) for tensor in graph.inputs],
        "outputs": [_interface(tensor) for tensor in graph.outputs],
        "lines": list(_lines(content)),
        "calls": [_add_call(kind, operators) for kind, operators in kinds.items()],
        "headers": sorted(
            {
                header
                for kind, operators in kinds.items()
                if (header := _REGISTRATIONS[kind].int8_header) and _all_int8(operators)
            }
        ),
    }
    return {
        file: render_template(f"tflm/{file}.j2", **values)
        for file in ("model_data.h", "model_data.cc", "op_resolver.h")
    }


def render_golden(name: str, vectors: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """{"golden.h": text}.

    Args:
        vectors: at least one pair of all inputs and all outputs of one inference, each side end to
            end in the model's order.
    """
    text = render_template(
        "tflm/golden.h.j2",
        name=name.replace("*/", "* /"),
        version=__version__,
        vectors=[(list(_lines(inputs)), list(_lines(outputs))) for inputs, outputs in vectors],
        input_bytes=len(vectors[0][0]),
        output_bytes=len(vectors[0][1]),
    )
    return {"golden.h": text}


def require_computed_right(graph: Graph, tflm_year: int) -> None:
    """Refuses a model that TFLM of that year would compute wrongly without saying so.

    Raises:
        ModelError: a fully connected layer has one scale per output channel, and TFLM before 2024
            takes the first for all of them.
    """
    operators = per_channel_dense(graph)
    if operators and tflm_year < PER_CHANNEL_DENSE_SINCE:
        raise ModelError(
            f"generate: op {operators[0].index} FULLY_CONNECTED is quantized per channel, which "
            f"the board's TFLM of {tflm_year} would compute wrongly without an error",
            "take --runtime aot, or convert with per_channel_dense = false",
        )


def per_channel_dense(graph: Graph) -> list[Operator]:
    """Fully connected layers with one scale per output channel."""
    return [
        operator
        for operator in graph.operators
        if operator.kind == "FULLY_CONNECTED"
        and (quantization := operator.input(1).quantization) is not None
        and quantization.per_channel
    ]


def rounded_otherwise(graph: Graph, tflm_year: int) -> list[Operator]:
    """Int8 means to another scale: TFLM of early 2023 rounds a float where TFLM has since had an
    integer, so that outputs may differ by 1. Measured with Chirale_TensorFLowLite 2.0.0 in QEMU."""
    if tflm_year >= _MEAN_OF_INTEGERS_SINCE:
        return []
    return [
        operator
        for operator in graph.operators
        if operator.kind == "MEAN"
        and operator.output.dtype is DType.INT8
        and operator.input(0).quantization != operator.output.quantization
    ]


def is_registered(kind: str) -> bool:
    """Whether TFLM takes an operator of this kind."""
    return kind in _REGISTRATIONS


def _add_call(kind: str, operators: Sequence[Operator]) -> str:
    if kind not in _REGISTRATIONS:
        raise UnsupportedOperatorError(
            f"generate: TensorFlow Lite Micro takes no {kind} (op {operators[0].index})",
            "change the model",
        )
    registration = _REGISTRATIONS[kind]
    int8 = ""
    if registration.int8_header is not None and _all_int8(operators):
        int8 = f"tflite::Register_{kind}_INT8()"
    return f"Add{registration.method}({int8})"


def _all_int8(operators: Sequence[Operator]) -> bool:
    """Whether all tensors but the int32 biases are int8."""
    return all(
        tensor.dtype is DType.INT8
        for operator in operators
        for tensor in (*operator.inputs[:2], *operator.outputs)
        if tensor is not None
    )


def _interface(tensor: Tensor) -> dict[str, object]:
    quantization = tensor.quantization
    quantized = quantization is not None and not quantization.per_channel
    return {
        "description": describe(tensor),
        "scale": float_literal(tensor.scale) if quantized else None,
        "zero_point": tensor.zero_point if quantized else None,
        "bytes": tensor.size_bytes,
    }


def _lines(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), _BYTES_PER_LINE):
        line = data[start : start + _BYTES_PER_LINE]
        yield " ".join(f"0x{byte:02x}," for byte in line)
