"""TFLM's interpreter in this process: for thousands of small models known to be sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite_micro import runtime

from pipeline.graph import Graph

Arrays = tuple[npt.NDArray[Any], ...]

_ARENA_BYTES = 1 << 21  # too small an arena ends the process


def interpret(model: bytes, graph: Graph, vectors: Sequence[Arrays]) -> list[Arrays]:
    """Outputs of every input vector."""
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=_ARENA_BYTES)
    results = []
    for vector in vectors:
        for index, array in enumerate(vector):
            interpreter.set_input(array, index)
        interpreter.invoke()
        outputs = (interpreter.get_output(i) for i in range(len(graph.outputs)))
        results.append(tuple(np.array(output) for output in outputs))
    return results
