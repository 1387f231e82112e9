"""The golden reference gives TFLM's outputs, and one clear line where TFLM cannot."""

import numpy as np
import pytest

import small_models
from pipeline import golden
from pipeline.errors import ModelError, ToolError
from pipeline.graph import DType
from pipeline.tflite_writer import TfliteWriter


@pytest.fixture
def dense_relu():
    return small_models.dense_relu()


def test_outputs_and_intermediates_are_those_computed_by_hand(dense_relu):
    # Real values: x = (2, -3); W x + b = (4 - 3 + 1.5, -2 - 9) = (2.5, -11); at 0.5 and 1: 6, -21.
    x = np.array([[4, -6]], np.int8)
    [(y,)] = golden.golden_outputs(dense_relu, [(x,)])
    assert y.dtype == np.int8
    assert y.tolist() == [[6, 1]]
    tensors = golden.golden_tensors(dense_relu, (x,))
    assert {i: t.tolist() for i, t in tensors.items()} == {
        0: [[4, -6]],
        3: [[6, -21]],
        4: [[6, 1]],
    }


def test_order_is_kept_across_workers(dense_relu):
    inputs = [(np.array([[i - 100, 0]], np.int8),) for i in range(200)]
    seen = []
    outputs = golden.golden_outputs(dense_relu, inputs, seen.append)
    assert seen == list(range(1, 201))
    # 2 x + 3 half units + zero point 1, clamped by ReLU and int8
    expected = [min(127, max(1, 2 * (i - 100) + 4)) for i in range(200)]
    assert [int(y[0, 0]) for (y,) in outputs] == expected


def test_a_crash_of_tflm_is_an_error_of_the_model(dense_relu, monkeypatch):
    monkeypatch.setattr(golden, "_arena_bytes", lambda graph, model: 100)
    with pytest.raises(ModelError, match=r"^golden: TFLM crashed on the model: SIGSEGV \(Failed"):
        golden.golden_outputs(dense_relu, [(np.zeros((1, 2), np.int8),)])


def test_tflms_reason_for_a_refusal_is_passed_on():
    writer = TfliteWriter()
    x = writer.tensor((1, 2), DType.INT8, small_models.per_tensor(0.5))
    y = writer.tensor((1, 2), DType.INT8, small_models.per_tensor(0.5))
    writer.operator("ATAN2", [x, x], [y])
    with pytest.raises(ModelError, match=r"TFLM refuses the model: .*opcode 'ATAN2'"):
        golden.golden_outputs(writer.build([x], [y]), [(np.zeros((1, 2), np.int8),)])


def test_inputs_that_are_not_the_models_are_refused(dense_relu):
    with pytest.raises(ModelError, match="TFLM refuses the model: Cannot set tensor"):
        golden.golden_outputs(dense_relu, [(np.zeros((1, 3), np.int8),)])


def test_without_tflm_there_is_no_reference(dense_relu, monkeypatch):
    monkeypatch.setattr(golden.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="x86-64 Linux only"):
        golden.golden_outputs(dense_relu, [(np.zeros((1, 2), np.int8),)])
