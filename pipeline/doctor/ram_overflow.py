"""RAM that the arena and the inputs will take, told before the linker tells it."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.aot.lowering import lower
from pipeline.codegen.tflm_arena import estimated_arena_bytes, least_arena_bytes
from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Model, Subject
from pipeline.errors import ModelError

_ID = "ram-overflow"


def _look(subject: Subject) -> Iterator[Finding]:
    board = subject.board
    available = board.static_ram_bytes or board.ram_bytes
    if subject.model is None or available is None:
        return
    needed = _needed_bytes(subject, subject.model, available)
    if needed > available:
        kind = "static RAM" if board.static_ram_bytes else "RAM"
        yield Finding(
            _ID,
            "error",
            f"{kind}: at least {needed:,} bytes exceed {board.id}'s {available:,} by "
            f"{needed - available:,} bytes{_largest(subject.model)}",
            "arena and inputs alone take that much; stack and variables come on top",
            "smaller inputs or fewer channels in the first layers; analyze --memory shows what "
            "lives at the same time",
            does_not_fit=True,
        )


def _needed_bytes(subject: Subject, model: Model, available: int) -> int:
    """Arena and the benchmark core's copy of the inputs; of a project what no arena can save."""
    if subject.project is not None:
        return least_arena_bytes(model.graph)
    copied = sum(tensor.size_bytes for tensor in model.graph.inputs)
    needed = estimated_arena_bytes(model.graph) + copied
    # aot's buffers share more than TFLM's: there is something to plan only where these do not fit.
    if subject.runtime == "aot" and needed > available:
        try:
            return lower(model.graph, subject.goal).memory.arena_bytes + copied
        except ModelError:
            return 0  # missing-operator tells it
    return needed


def _largest(model: Model) -> str:
    """ " (largest: ...)": of inputs and operators' outputs the one with the most bytes."""
    tensors = [(t.size_bytes, f"input {i}") for i, t in enumerate(model.graph.inputs)]
    tensors += [
        (tensor.size_bytes, f"output of op {op.index} {op.kind}")
        for op in model.graph.operators
        for tensor in op.outputs
    ]
    size_bytes, name = max(tensors, key=lambda tensor: tensor[0])
    return f" (largest: {name} with {size_bytes:,})"


register(Check(_ID, "an arena that exceeds the RAM that the board has for it", _look))
