"""Operators of a newer version than the library's year knew."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.codegen.tflm import PER_CHANNEL_DENSE_SINCE
from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject

_ID = "operator-version"
# The last versions that TensorFlow Lite of early 2023 knew (lite/core/kernels/register.cc), of the
# operators that TFLM takes and whose version can exceed 1.
_KNOWN_IN_2023 = {
    "ADD": 4, "ARG_MAX": 3, "ARG_MIN": 3, "AVERAGE_POOL_2D": 3, "BATCH_TO_SPACE_ND": 3, "CAST": 4,
    "CONCATENATION": 3, "CONV_2D": 6, "DEPTHWISE_CONV_2D": 6, "DEPTH_TO_SPACE": 2, "DEQUANTIZE": 5,
    "DIV": 2, "ELU": 1, "EQUAL": 3, "EXP": 1, "EXPAND_DIMS": 1, "FILL": 4, "FULLY_CONNECTED": 9,
    "GATHER": 5, "GATHER_ND": 3, "GREATER": 2, "GREATER_EQUAL": 2, "HARD_SWISH": 1,
    "L2_NORMALIZATION": 2, "LEAKY_RELU": 2, "LESS": 2, "LESS_EQUAL": 2, "LOGISTIC": 3,
    "LOG_SOFTMAX": 2, "MAXIMUM": 4, "MAX_POOL_2D": 3, "MEAN": 3, "MINIMUM": 4, "MIRROR_PAD": 2,
    "MUL": 6, "NOT_EQUAL": 3, "PACK": 3, "PAD": 4, "PADV2": 4, "PRELU": 1, "QUANTIZE": 3,
    "REDUCE_MAX": 3, "RELU": 3, "RELU6": 3, "RESHAPE": 1, "RESIZE_BILINEAR": 4,
    "RESIZE_NEAREST_NEIGHBOR": 4, "RSQRT": 2, "SLICE": 5, "SOFTMAX": 3, "SPACE_TO_BATCH_ND": 3,
    "SPACE_TO_DEPTH": 2, "SPLIT": 4, "SPLIT_V": 2, "SQUARED_DIFFERENCE": 2, "SQUEEZE": 2,
    "STRIDED_SLICE": 6, "SUB": 5, "SUM": 2, "SVDF": 4, "TANH": 3, "TRANSPOSE": 6,
    "TRANSPOSE_CONV": 3, "UNPACK": 4,
}  # fmt: skip


def _look(subject: Subject) -> Iterator[Finding]:
    library = subject.library
    if library is None or library.year >= PER_CHANNEL_DENSE_SINCE:
        return
    newer = [op for op in subject.operators() if op.version > _KNOWN_IN_2023.get(op.kind, 1 << 31)]
    if newer:
        names = ", ".join(
            f"op {op.index} {op.kind} of version {op.version} (known: {_KNOWN_IN_2023[op.kind]})"
            for op in newer[:4]
        )
        yield Finding(
            _ID,
            "warning",
            f"{names}, for TFLM of {library.year} ({library.name})",
            "TFLM does not look at versions: what the newer one added is ignored without a word",
            "compare the outputs (mcu-pipeline validate), take --runtime aot, or a newer library",
        )


register(Check(_ID, "operators of a newer version than the library's year knew", _look))
