"""Operators whose only input is a constant, and views in places where none can be an alias."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kernel_image import make_case, run_on_host
from pipeline.graph import DType
from pipeline.tflite_writer import TfliteWriter
from small_models import per_tensor
from tflm import interpret


def _constant_branch() -> bytes:
    """x (1, 6) -> RESHAPE (2, 3) = a, an output; ADD of a and RELU of RESHAPE of a constant."""
    writer = TfliteWriter()
    rng = np.random.default_rng(3)
    q = per_tensor(0.25, -7)
    x = writer.tensor((1, 6), DType.INT8, q)
    constant = writer.tensor((6,), DType.INT8, q, rng.integers(-128, 128, 6))
    shape = writer.tensor((2,), DType.INT32, data=np.array([2, 3], np.int32))
    a, b, c, y, z = (writer.tensor((2, 3), DType.INT8, q) for _ in range(5))
    joined = writer.tensor((2, 6), DType.INT8, q)
    writer.operator("RESHAPE", [x, shape], [a], schema.ReshapeOptionsT())
    writer.operator("RESHAPE", [constant, shape], [b], schema.ReshapeOptionsT())
    writer.operator("RELU", [b], [c])
    writer.operator("ADD", [a, c], [y], schema.AddOptionsT())
    writer.operator("RESHAPE", [y, shape], [z], schema.ReshapeOptionsT())
    options = schema.ConcatenationOptionsT()
    options.axis = -1
    writer.operator("CONCATENATION", [z, b], [joined], options)
    return writer.build([x], [a, joined, z])


def test_constants_and_views_among_inputs_and_outputs(tmp_path: Path) -> None:
    case = make_case(_constant_branch(), np.random.default_rng(4))

    (results,) = run_on_host([case], tmp_path)

    for got, want in zip(results, interpret(case.model, case.graph, case.vectors), strict=True):
        for g, w in zip(got, want, strict=True):
            np.testing.assert_array_equal(g, w)
