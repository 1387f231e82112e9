"""The arena that a project gives TFLM, against what the model needs."""

from __future__ import annotations

import ast
import operator as arithmetic
import re
from collections.abc import Iterator

from pipeline.codegen.tflm_arena import estimated_arena_bytes, least_arena_bytes
from pipeline.doctor import Check, Finding, register
from pipeline.doctor.shared.subject import Subject

_ID = "arena-size"
_SIZE = (
    r"(?:#[ \t]*define[ \t]+|\b(?:int|size_t|u?int\d+_t|unsigned|auto)\s+)"
    r"(?P<name>\w*[aA][rR][eE][nN][aA]\w*(?:[sS][iI][zZ][eE]|SIZE|[bB][yY][tT][eE][sS])\w*)\s*=?\s*"
    r"(?P<value>[\d(][\d\s*+()xa-fA-FuUlL]*?)\s*(?:;|$)"
)
_OPERATIONS = {ast.Mult: arithmetic.mul, ast.Add: arithmetic.add}


def _look(subject: Subject) -> Iterator[Finding]:
    if subject.project is None or subject.model is None:
        return
    graph = subject.model.graph
    least, enough = least_arena_bytes(graph), estimated_arena_bytes(graph)
    for place, match in subject.project.find(_SIZE):
        size = _constant(match["value"])
        if size is None or size >= enough:
            continue
        certain = size < least
        yield Finding(
            _ID,
            "error" if certain else "warning",
            f"{place}: {match['name']} is {size:,} bytes, the model's activations take {least:,} "
            f"and with what TFLM keeps at most about {enough:,}",
            "AllocateTensors() fails" if certain else "AllocateTensors() may fail",
            f"make it {enough:,}, then lower it to what arena_used_bytes() says",
        )


def _constant(text: str) -> int | None:
    """The value of "8 * 1024"; None where it is more than numbers, * and +."""
    try:
        return _value(ast.parse(re.sub(r"(?<=\d)[uUlL]+", "", text).strip(), mode="eval").body)
    except (SyntaxError, ValueError):
        return None


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        result: int = _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
        return result
    raise ValueError


register(Check(_ID, "an arena that is too small for the model", _look))
