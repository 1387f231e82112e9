"""Flash that the weights will take, told before the linker tells it."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Model, Subject

_ID = "flash-overflow"
_LEAST_TFLM_CODE_BYTES = 43_000  # of nine networks with CMSIS-NN: 43 to 108 kB
_LEAST_CONSTANT_BYTES = 256  # smaller ones may be folded away


def _look(subject: Subject) -> Iterator[Finding]:
    available = subject.board.flash_bytes
    if subject.model is None or available is None:
        return
    if subject.runtime == "tflm":
        needed = len(subject.model.content) + _LEAST_TFLM_CODE_BYTES
    else:
        needed = _constant_bytes(subject.model)
    if needed > available:
        yield Finding(
            _ID,
            "error",
            f"flash: at least {needed:,} bytes exceed {subject.board.id}'s {available:,} by "
            f"{needed - available:,} bytes{_largest(subject.model)}",
            "the model's constants alone take that much; code comes on top",
            "fewer or smaller layers; analyze shows each layer's weight bytes",
            does_not_fit=True,
        )


def _constant_bytes(model: Model) -> int:
    """Weights and biases that operators use, each content once."""
    contents = {
        tensor.data.tobytes()
        for op in model.graph.operators
        for tensor in op.inputs
        if tensor is not None
        and tensor.data is not None
        and tensor.size_bytes >= _LEAST_CONSTANT_BYTES
    }
    return sum(map(len, contents))


def _largest(model: Model) -> str:
    """ " (largest: ...)"; empty for a model without constants."""
    constants = [
        (tensor.size_bytes, op)
        for op in model.graph.operators
        for tensor in op.inputs
        if tensor is not None and tensor.data is not None
    ]
    if not constants:
        return ""
    size_bytes, op = max(constants, key=lambda constant: constant[0])
    return f" (largest: constant of op {op.index} {op.kind} with {size_bytes:,})"


register(Check(_ID, "constants that exceed the board's flash", _look))
