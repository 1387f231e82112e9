"""Operators that the runtime has not, or not as the model uses them."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.aot.lowering import require_supported
from pipeline.codegen.tflm import is_registered
from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject, listed
from pipeline.errors import ModelError

_ID = "missing-operator"


def _look(subject: Subject) -> Iterator[Finding]:
    if subject.runtime == "tflm":
        missing = [op for op in subject.operators() if not is_registered(op.kind)]
        if missing:
            yield Finding(
                _ID,
                "error",
                f"{listed(missing)}: TensorFlow Lite Micro has no such operator",
                "the interpreter refuses the model when it starts",
                "replace the layer that this comes from; batch 1 and fixed shapes avoid SHAPE, "
                "PACK and the like",
            )
        return
    for op in subject.operators():
        try:
            require_supported(op)
        except ModelError as error:
            yield Finding(
                _ID,
                "error",
                error.message.removeprefix("generate: "),
                "no C can be generated for it",
                error.remedy or "change the layer, or take --runtime tflm",
            )


register(Check(_ID, "operators that the runtime lacks, or lacks for these types and shapes", _look))
