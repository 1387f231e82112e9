"""A scale per output of a dense layer, which older TFLM takes for one scale of all."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.codegen.tflm import PER_CHANNEL_DENSE_SINCE, per_channel_dense
from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject, listed

_ID = "per-channel-dense"


def _look(subject: Subject) -> Iterator[Finding]:
    library = subject.library
    if library is None or library.year >= PER_CHANNEL_DENSE_SINCE or subject.model is None:
        return
    operators = per_channel_dense(subject.model.graph)
    if operators:
        yield Finding(
            _ID,
            "error",
            f"{listed(operators)}: weights quantized per channel, for TFLM of {library.year} "
            f"({library.name})",
            "TFLM before 2024 applies the first channel's scale to all of them and reports "
            "success: the outputs are silently wrong",
            "convert with per_channel_dense = false (in TensorFlow: converter._experimental_"
            "disable_per_channel_quantization_for_dense_layers = True), or take --runtime aot",
        )


register(Check(_ID, "dense layers quantized per channel, for a library from before 2024", _look))
