"""Operators that compute in float within a quantized model, and models that are all float."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject, listed
from pipeline.graph import DType, Operator

_ID = "float-island"


def _computes_in_float(op: Operator) -> bool:
    if op.kind in ("QUANTIZE", "DEQUANTIZE"):
        return False
    weights = op.optional_input(1)
    if weights is not None and weights.is_constant and weights.dtype is not DType.FLOAT32:
        return False  # hybrid, or the shape of a RESHAPE
    return any(output.dtype is DType.FLOAT32 for output in op.outputs)


def _look(subject: Subject) -> Iterator[Finding]:
    operators = subject.operators()
    islands = [op for op in operators if _computes_in_float(op)]
    if not islands:
        return
    whole = not any(tensor.dtype is DType.INT8 for op in operators for tensor in op.outputs)
    is_aot = subject.runtime == "aot"
    yield Finding(
        _ID,
        "error" if is_aot else "warning",
        "the whole model is float32" if whole else f"{listed(islands)}: computed in float32",
        "aot takes int8 alone"
        if is_aot
        else "TFLM's float kernels are reference code, and activations take 4 times the memory",
        "quantize with a representative data set and TFLITE_BUILTINS_INT8; of a layer that the "
        "quantizer leaves in float (swish, Dense + BatchNorm after QAT) use one that it knows",
    )


register(Check(_ID, "operators left in float within a quantized model", _look))
