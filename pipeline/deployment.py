"""A built model on its device: timed, compared with TFLM, and its accuracy where data allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline import ops
from pipeline.accuracy import ClassifierAccuracy, evaluation_inputs
from pipeline.aot.goal import Goal
from pipeline.aot.lowering import lower
from pipeline.aot.program import Step
from pipeline.benchmark import BenchmarkResult, accuracy_on_device, benchmark
from pipeline.boards import Board
from pipeline.data import Dataset
from pipeline.device import Device, open_link
from pipeline.graph import Graph
from pipeline.inputs import load_inputs, pack
from pipeline.report.model import OpCost
from pipeline.spec import BenchmarkSpec
from pipeline.store import sha256_hex
from pipeline.tflite_reader import read_tflite
from pipeline.validate import StepDifference, Validation, first_differing_step, validate

GOLDEN_INPUTS = "random:32"  # for a model without a data set


@dataclass(frozen=True, eq=False)
class Deployment:
    """What one device showed of one model; `accuracy` is None without a data set."""

    benchmark: BenchmarkResult
    validation: Validation
    accuracy: ClassifierAccuracy | None
    steps: tuple[OpCost, ...]


def open_device(board: Board, elf: Path, model: bytes, log: BinaryIO | None = None) -> Device:
    """Starts the image and awaits its greeting; the device must run exactly this model."""
    return Device(open_link(board, elf), model_sha256=sha256_hex(model), log=log)


def measure(
    board: Board,
    elf: Path,
    model: bytes,
    settings: BenchmarkSpec,
    *,
    goal: Goal,
    dataset: Dataset | None,
    seed: int,
    log: BinaryIO,
    progress: Callable[[int, int], None],
) -> Deployment:
    """Runs all there is to measure on a freshly started device.

    Args:
        goal: what the image was compiled for.
        dataset: gives the test images that are classified; without one, random inputs are
            compared with TFLM.
        seed: of the random inputs.
        progress: (inferences done, of how many) of the comparison.

    Raises:
        DeviceError, ToolError, ModelError: the device or the reference fails. A difference raises
            nothing: it is in the result.
    """
    graph = read_tflite(model)
    with open_device(board, elf, model, log) as device:
        if dataset is None:
            vectors = load_inputs(GOLDEN_INPUTS, graph, seed)
            timed = _timed(device, board, pack(vectors[-1]), settings)
            validation = validate(
                device, graph, model, vectors, lambda done: progress(done, len(vectors))
            )
            return Deployment(timed, validation, None, step_costs(graph, goal, timed))
        count = None if settings.samples == "all" else settings.samples
        images = evaluation_inputs(graph, dataset, count)
        timed = _timed(device, board, pack((images[0],)), settings)
        accuracy, validation = accuracy_on_device(
            device,
            graph,
            model,
            images,
            dataset.test_labels[: len(images)],
            lambda done: progress(done, len(images)),
        )
        return Deployment(timed, validation, accuracy, step_costs(graph, goal, timed))


@dataclass(frozen=True, eq=False)
class InputCheck:
    """The outputs for given inputs compared with TFLM's.

    Attributes:
        layers: how many steps were compared one by one; None where that was not asked for.
        first_layer: the first of them that differs.
    """

    validation: Validation
    layers: int | None
    first_layer: StepDifference | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps."""
        first = self.validation.first_difference
        return {
            "compared": self.validation.compared,
            "identical": self.validation.identical,
            "differing": self.validation.differing,
            "first_difference": None if first is None else asdict(first),
            "layers_compared": self.layers,
            "first_differing_layer": None if self.first_layer is None else asdict(self.first_layer),
        }

    def lines(self) -> list[str]:
        """The result in words; a difference of outputs is told by `require_identical`."""
        lines = []
        if self.validation.identical:
            lines.append(f"{self.validation.compared:,} inferences, every byte is TFLM's")
        if self.first_layer is not None:
            lines.append(f"first layer that differs: {self.first_layer.title}")
        elif self.layers is not None:
            lines.append(f"{self.layers} layers, every byte is TFLM's")
        return lines


def check_inputs(
    board: Board,
    elf: Path,
    model: bytes,
    source: str,
    *,
    goal: Goal,
    seed: int,
    per_layer: bool,
    log: BinaryIO,
    progress: Callable[[int, int], None],
) -> InputCheck:
    """Compares the device's outputs with TFLM's for the inputs that `source` names.

    Args:
        source: as `inputs.load_inputs`.
        goal: as `measure`.
        per_layer: compare every step too, on the first input whose outputs differ, or else on
            the last input.

    Raises:
        DataError: `source` does not fit the model.
        DeviceError, ToolError, ModelError: as `measure`.
    """
    graph = read_tflite(model)
    vectors = load_inputs(source, graph, seed)
    with open_device(board, elf, model, log) as device:
        validation = validate(
            device, graph, model, vectors, lambda done: progress(done, len(vectors))
        )
        if not per_layer:
            return InputCheck(validation, None, None)
        first = validation.first_difference
        vector = vectors[-1 if first is None else first.inference]
        steps = executed_steps(graph, goal)
        return InputCheck(
            validation, len(steps), first_differing_step(device, model, steps, vector)
        )


def executed_steps(graph: Graph, goal: Goal) -> Sequence[Step]:
    """What the aot runtime executes, in order."""
    return lower(graph, goal).steps


def step_costs(graph: Graph, goal: Goal, timed: BenchmarkResult) -> tuple[OpCost, ...]:
    """One row for every step the device executed."""
    steps = executed_steps(graph, goal)
    counts = timed.step_instructions or (None,) * len(steps)
    times = timed.step_us or (None,) * len(steps)
    return tuple(
        OpCost(
            index=step.operators[0].index,
            op=" + ".join(op.kind for op in step.operators),
            output_shape=step.outputs[0].shape,
            macs=sum(ops.definitions()[op.kind].macs(op) for op in step.operators),
            instructions=count,
            us=time,
            reason=step.reason or None,
        )
        for step, count, time in zip(steps, counts, times, strict=True)
    )


def _timed(device: Device, board: Board, data: bytes, settings: BenchmarkSpec) -> BenchmarkResult:
    return benchmark(device, board.counter, data, warmups=settings.warmups, runs=settings.runs)
