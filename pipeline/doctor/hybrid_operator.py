"""Float activations on integer weights: what dynamic-range quantization leaves."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject, listed
from pipeline.graph import DType, Operator

_ID = "hybrid-operator"


def _is_hybrid(op: Operator) -> bool:
    """Its first input is a float activation and a weight is of 8 bits."""
    weights = op.optional_input(1)
    return (
        op.kind not in ("QUANTIZE", "DEQUANTIZE")
        and weights is not None
        and weights.is_constant
        and weights.dtype in (DType.INT8, DType.UINT8)
        and op.inputs[0] is not None
        and op.inputs[0].dtype is DType.FLOAT32
    )


def _look(subject: Subject) -> Iterator[Finding]:
    hybrid = [op for op in subject.operators() if _is_hybrid(op)]
    if hybrid:
        yield Finding(
            _ID,
            "error",
            f"{listed(hybrid)}: float32 activations on 8-bit weights",
            "neither TensorFlow Lite Micro nor aot has hybrid kernels: the model does not start",
            "give the converter a representative data set and TFLITE_BUILTINS_INT8, so that "
            "activations become int8 too",
        )


register(Check(_ID, "float activations on integer weights (dynamic-range quantization)", _look))
