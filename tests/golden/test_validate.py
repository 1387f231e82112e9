"""Validation finds the first byte, and the first step, that is not TFLM's."""

import zlib

import numpy as np
import pytest

import small_models
from pipeline.accuracy import classifier_accuracy
from pipeline.aot.lowering import lower
from pipeline.errors import OutputsDifferError
from pipeline.golden import golden_outputs, golden_tensors
from pipeline.inputs import load_inputs, pack
from pipeline.tflite_reader import read_tflite
from pipeline.validate import Difference, StepDifference, first_differing_step, validate


class Replay:
    """A device whose answers are given: outputs by input, checksums by step."""

    def __init__(self, outputs=None, checksums=()):
        self._outputs = outputs
        self._checksums = checksums
        self.staged = None

    def infer(self, data):
        outputs = self._outputs[data]
        return type("Inference", (), {"outputs": outputs, "ticks": 1})

    def write_input(self, data):
        self.staged = data

    def check(self):
        return self._checksums


@pytest.fixture(scope="module")
def model():
    return small_models.two_headed_convnet()


@pytest.fixture(scope="module")
def graph(model):
    return read_tflite(model)


@pytest.fixture(scope="module")
def inputs(graph):
    return load_inputs("random:6", graph, seed=3)


@pytest.fixture(scope="module")
def answers(model, inputs):
    golden = golden_outputs(model, inputs)
    return {pack(x): pack(y) for x, y in zip(inputs, golden, strict=True)}


def test_identical_outputs_pass_and_are_returned(model, graph, inputs, answers):
    progress = []
    validation = validate(Replay(answers), graph, model, inputs, progress.append)
    assert (validation.compared, validation.identical) == (6, True)
    assert [pack(y) for y in validation.outputs] == list(answers.values())
    assert progress == [1, 2, 3, 4, 5, 6]
    validation.require_identical("look closer")


def test_the_first_differing_element_is_named_in_its_output(model, graph, inputs, answers):
    wrong = dict(answers)
    for number, position in ((3, 1600 + 7), (5, 2)):
        changed = bytearray(wrong[pack(inputs[number])])
        changed[position] ^= 0x01
        wrong[pack(inputs[number])] = bytes(changed)
    validation = validate(Replay(wrong), graph, model, inputs)
    assert (validation.compared, validation.differing) == (6, 2)
    expected = int(np.frombuffer(answers[pack(inputs[3])], np.int8)[1607])
    assert validation.first_difference == Difference(3, 1, 7, expected, expected ^ 1)
    with pytest.raises(OutputsDifferError) as error:
        validation.require_identical("look closer")
    assert str(error.value) == (
        "validate: 2 of 6 inferences differ from TFLM, first input 3, output 1, element 7: "
        f"expected {expected}, got {expected ^ 1}; look closer"
    )


def test_the_first_differing_step_is_named(model, graph, inputs):
    steps = lower(graph).steps
    golden = golden_tensors(model, inputs[2])
    checksums = [zlib.crc32(golden[step.outputs[0].index].tobytes()) for step in steps]
    device = Replay(checksums=tuple(checksums))
    assert first_differing_step(device, model, steps, inputs[2]) is None
    assert device.staged == pack(inputs[2])
    checksums[4] ^= 1
    checksums[5] ^= 1
    device = Replay(checksums=tuple(checksums))
    difference = first_differing_step(device, model, steps, inputs[2])
    assert difference == StepDifference(4, "op 4 FULLY_CONNECTED", (10,))


def test_accuracy_counts_right_classes_and_compares_on_the_way():
    model = small_models.dense_relu()
    graph = read_tflite(model)
    images = np.array([[4, -6], [-20, 30], [100, 100]], np.int8)
    # 2 x0 + x1 + 3 and -x0 + 3 x1, plus zero point 1, at least 1: (6, 1), (1, 111), (127, 127)
    outputs = [bytes([6, 1]), bytes([1, 111]), bytes([127, 127])]
    device = Replay({x.tobytes(): y for x, y in zip(images, outputs, strict=True)})
    validation = validate(device, graph, model, [(image[np.newaxis],) for image in images])
    accuracy = classifier_accuracy([y for (y,) in validation.outputs], np.array([0, 1, 1]))
    assert (accuracy.correct, accuracy.samples) == (2, 3)  # of equals the first counts
    assert accuracy.confusion == ((1, 0), (1, 1))
    assert validation.identical
