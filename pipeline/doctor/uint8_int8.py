"""Inputs or outputs of one 8-bit type, written or read as the other."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject
from pipeline.graph import DType

_ID = "uint8-int8"
_ACCESS = (
    r"(?:->|\.)\s*data\s*\.\s*(?P<member>u?int8)\b"
    r"|\bGetTensorData<(?P<argument>u?int8)_t>"
)


def _look(subject: Subject) -> Iterator[Finding]:
    yield from _of_model(subject)
    yield from _of_project(subject)


def _of_model(subject: Subject) -> Iterator[Finding]:
    if subject.model is None:
        return
    graph = subject.model.graph
    unsigned = [
        f"{side} {index}"
        for side, tensors in (("input", graph.inputs), ("output", graph.outputs))
        for index, tensor in enumerate(tensors)
        if tensor.dtype is DType.UINT8
    ]
    if unsigned:
        yield Finding(
            _ID,
            "error" if subject.runtime == "aot" else "warning",
            f"{', '.join(unsigned)}: uint8, while quantized models compute in int8",
            "aot takes none; with TFLM a QUANTIZE at each end shifts every value by 128, and a "
            "firmware that writes int8 feeds wrong images without an error",
            "convert with inference_input_type = inference_output_type = tf.int8",
        )


def _of_project(subject: Subject) -> Iterator[Finding]:
    if subject.model is None or subject.project is None:
        return
    graph = subject.model.graph
    types = {tensor.dtype.value for tensor in (*graph.inputs, *graph.outputs)}
    for place, match in subject.project.find(_ACCESS):
        used = match["member"] or match["argument"]
        other = "int8" if used == "uint8" else "uint8"
        if other in types and used not in types:
            yield Finding(
                _ID,
                "warning",
                f"{place}: accesses a tensor as {used}, the model's are {other}",
                "the same bits are another number: unless they are converted back, every value "
                "below 0 is off by 256, without an error",
                f"use data.{other}, and the tensor's own scale and zero point",
            )


register(Check(_ID, "uint8 where the model has int8, or the reverse", _look))
