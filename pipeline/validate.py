"""A device's outputs against the golden reference, bit by bit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.aot.program import Step
from pipeline.device import Device
from pipeline.errors import OutputsDifferError
from pipeline.golden import Arrays, golden_outputs, golden_tensors
from pipeline.graph import Graph
from pipeline.inputs import pack, unpack


@dataclass(frozen=True)
class Difference:
    """The first element that is not TFLM's.

    Attributes:
        inference: which input vector, from 0; `output` likewise in the model's order.
        element: flat index into the output, row major.
        expected: TFLM's value; `got` is the device's.
    """

    inference: int
    output: int
    element: int
    expected: int | float
    got: int | float


@dataclass(frozen=True, eq=False)
class Validation:
    """Device outputs compared with TFLM's.

    Attributes:
        outputs: the device's, for every inference in the model's order, with its shapes.
        differing: number of inferences with any byte that is not TFLM's.
        first_difference: None where every byte is TFLM's.
    """

    outputs: tuple[Arrays, ...]
    differing: int
    first_difference: Difference | None

    @property
    def compared(self) -> int:
        """Number of inferences."""
        return len(self.outputs)

    @property
    def identical(self) -> bool:
        """Whether every byte of every inference is TFLM's."""
        return self.differing == 0

    def require_identical(self, remedy: str | None) -> None:
        """Raises OutputsDifferError unless every byte is TFLM's; for after the report."""
        first = self.first_difference
        if first is not None:
            raise OutputsDifferError(
                f"validate: {self.differing} of {self.compared} inferences differ from TFLM, "
                f"first input {first.inference}, output {first.output}, element {first.element}: "
                f"expected {first.expected}, got {first.got}",
                remedy,
            )


@dataclass(frozen=True)
class StepDifference:
    """The first step whose result is not TFLM's.

    Attributes:
        step: position among the executed steps.
        title: the step's operators with their indices in the file.
        tensors: indices of the tensors it writes.
    """

    step: int
    title: str
    tensors: tuple[int, ...]


def validate(
    device: Device,
    graph: Graph,
    model: bytes,
    inputs: Sequence[Arrays],
    progress: Callable[[int], None] | None = None,
) -> Validation:
    """Runs every input on the device and compares every output byte with TFLM's.

    Args:
        device: runs the firmware built for `model`.
        graph: of `model`.
        inputs: for every inference the model's inputs with its dtypes and shapes.
        progress: called with the number of inferences the device has finished.

    Raises:
        DeviceError: the device fails; a difference alone raises nothing.
        ModelError, ToolError: as `golden_outputs`.
    """
    outputs = []
    differing = 0
    first = None
    for inference, (values, golden) in enumerate(
        zip(inputs, golden_outputs(model, inputs), strict=True)
    ):
        got = unpack(device.infer(pack(values)).outputs, graph.outputs)
        difference = _difference(inference, golden, got)
        differing += difference is not None
        first = first or difference
        outputs.append(got)
        if progress is not None:
            progress(inference + 1)
    return Validation(tuple(outputs), differing, first)


def first_differing_step(
    device: Device, model: bytes, steps: Sequence[Step], inputs: Arrays
) -> StepDifference | None:
    """The first step of one inference whose output tensors are not TFLM's, or None.

    Args:
        steps: what the device executes, in order (`Program.steps`).
        inputs: one inference's.

    Raises:
        DeviceError, ModelError, ToolError: as `validate`.
    """
    device.write_input(pack(inputs))
    checksums = device.check()
    golden = golden_tensors(model, inputs)
    for index, (step, checksum) in enumerate(zip(steps, checksums, strict=True)):
        tensors = tuple(tensor.index for tensor in step.outputs)
        expected = zlib.crc32(b"".join(golden[tensor].tobytes() for tensor in tensors))
        if checksum != expected:
            title = " + ".join(f"op {op.index} {op.kind}" for op in step.operators)
            return StepDifference(index, title, tensors)
    return None


def _difference(inference: int, golden: Arrays, got: Arrays) -> Difference | None:
    """Bytes are compared, so that floats differ by sign of zero and NaN payload too."""
    for output, (expected, value) in enumerate(zip(golden, got, strict=True)):
        if expected.tobytes() != value.tobytes():
            wanted, found = np.ravel(expected), np.ravel(value)
            same = wanted.view(np.uint8) == found.view(np.uint8)
            element = int(np.argmin(same)) // wanted.itemsize
            return Difference(
                inference, output, element, wanted[element].item(), found[element].item()
            )
    return None
