"""A built model on its device: timed, compared with TFLM, and judged where there are data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline import ops
from pipeline.accuracy import Score, evaluation_inputs, score
from pipeline.aot.goal import Goal
from pipeline.aot.lowering import lower
from pipeline.aot.program import Step
from pipeline.benchmark import BenchmarkResult, benchmark
from pipeline.boards import Board
from pipeline.data import Dataset
from pipeline.device import AUTO, Device, open_link
from pipeline.device.replay import PREFIX as REPLAY
from pipeline.emulation import count_execution
from pipeline.errors import DeviceError, PipelineError
from pipeline.golden import Arrays, golden_outputs
from pipeline.graph import Graph
from pipeline.inputs import load_inputs, pack
from pipeline.report.model import OpCost
from pipeline.spec import BenchmarkSpec
from pipeline.store import sha256_hex
from pipeline.tflite_reader import read_tflite
from pipeline.validate import StepDifference, Validation, first_differing_step, validate

GOLDEN_INPUTS = "random:32"  # for a model without a data set

# A board's latency is the median of no fewer runs, and they last no shorter. MLPerf Tiny asks for
# 10 s; 1 s tells disturbances by timers and USB as well and keeps a benchmark short.
_BOARD_RUNS = 30
_BOARD_WINDOW_S = 1.0


@dataclass(frozen=True, eq=False)
class Deployment:
    """What one device showed of one model.

    Attributes:
        validation: None where the device is the reference itself.
        score: accuracy or reconstruction error; None without a data set.
    """

    benchmark: BenchmarkResult
    validation: Validation | None
    score: Score | None
    steps: tuple[OpCost, ...]


def open_device(
    board: Board,
    elf: Path,
    model: bytes,
    *,
    runtime: str,
    step_count: int,
    log: BinaryIO | None = None,
    port: str = AUTO,
) -> Device:
    """Starts the image, or reaches the board at `port`, and awaits the greeting.

    Args:
        runtime, step_count: of the image; the device must run exactly this model and build.

    Raises:
        DeviceError: it cannot be reached, or is or runs something else.
    """
    device = Device(open_link(board, elf, port), model_sha256=sha256_hex(model), log=log)
    info = device.info
    for what, has, wanted in (
        ("board", info.board, board.id),
        ("runtime", info.runtime, runtime),
        ("number of steps", info.step_count, step_count),
    ):
        if has != wanted:
            device.close()
            raise DeviceError(
                f"device: says its {what} is {has!r}, not {wanted!r}",
                "flash the firmware of this run folder",
            )
    return device


def measure(
    board: Board,
    elf: Path,
    model: bytes,
    settings: BenchmarkSpec,
    *,
    runtime: str,
    port: str = AUTO,
    goal: Goal,
    dataset: Dataset | None,
    seed: int,
    log: BinaryIO,
    progress: Callable[[int, int], None],
) -> Deployment:
    """Runs all there is to measure on a freshly started device.

    Args:
        runtime: of the board's; for its `interpreted_runtime` there is no image, and the model runs
            in TFLM's interpreter.
        port: as `open_link`.
        goal: what the image was compiled for.
        dataset: gives the test images that are sent; without one, random inputs are
            compared with TFLM.
        seed: of the random inputs.
        progress: (inferences done, of how many) of the comparison.

    Raises:
        DeviceError, ToolError, ModelError: the device or the reference fails. A difference raises
            nothing: it is in the result.
    """
    graph = read_tflite(model)
    if runtime == board.interpreted_runtime:
        return _interpreted(graph, model, settings, dataset, progress)
    steps = executed_steps(graph, runtime, goal)
    with open_device(
        board, elf, model, runtime=runtime, step_count=len(steps), log=log, port=port
    ) as device:
        if dataset is None:
            vectors = load_inputs(GOLDEN_INPUTS, graph, seed)
            data = pack(vectors[-1])
            timed = _timed(device, board, data, settings, port)
            validation = validate(
                device, graph, model, vectors, lambda done: progress(done, len(vectors))
            )
            timed = _with_estimate(timed, board, elf, model, data)
            return Deployment(timed, validation, None, step_costs(steps, timed))
        count = None if settings.samples == "all" else settings.samples
        images = evaluation_inputs(graph, dataset, count)
        data = pack((images[0],))
        timed = _timed(device, board, data, settings, port)
        validation = validate(
            device,
            graph,
            model,
            [(image[np.newaxis],) for image in images],
            lambda done: progress(done, len(images)),
        )
        achieved = score([values for (values,) in validation.outputs], graph.outputs[0], dataset)
        timed = _with_estimate(timed, board, elf, model, data)
        return Deployment(timed, validation, achieved, step_costs(steps, timed))


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
    vectors: Sequence[Arrays],
    *,
    runtime: str,
    port: str = AUTO,
    goal: Goal,
    per_layer: bool,
    log: BinaryIO,
    progress: Callable[[int, int], None],
) -> InputCheck:
    """Compares the device's outputs with TFLM's.

    Args:
        vectors: for every inference the model's inputs with its dtypes and shapes.
        runtime, port, goal: as `measure`.
        per_layer: compare every step too, on the first input whose outputs differ, or else on
            the last input.

    Raises:
        PipelineError: the runtime is the reference itself.
        DeviceError, ToolError, ModelError: as `measure`.
    """
    if runtime == board.interpreted_runtime:
        raise PipelineError(
            f"validate: {runtime} on {board.id} is the reference itself", "choose another board"
        )
    graph = read_tflite(model)
    steps = executed_steps(graph, runtime, goal)
    with open_device(
        board, elf, model, runtime=runtime, step_count=len(steps), log=log, port=port
    ) as device:
        validation = validate(
            device, graph, model, vectors, lambda done: progress(done, len(vectors))
        )
        if not per_layer:
            return InputCheck(validation, None, None)
        first = validation.first_difference
        vector = vectors[-1 if first is None else first.inference]
        return InputCheck(
            validation, len(steps), first_differing_step(device, model, steps, vector)
        )


def executed_steps(graph: Graph, runtime: str, goal: Goal) -> Sequence[Step]:
    """What the runtime executes, in order: of tflm a step is an operator."""
    if runtime == "tflm":
        return [Step(operators=(operator,), calls=()) for operator in graph.operators]
    return lower(graph, goal).steps


def step_costs(steps: Sequence[Step], timed: BenchmarkResult) -> tuple[OpCost, ...]:
    """One row for every step the device executed."""
    counts = timed.step_instructions or (None,) * len(steps)
    times = timed.step_us or (None,) * len(steps)
    cycles = timed.step_cycles or (None,) * len(steps)
    return tuple(
        OpCost(
            index=step.operators[0].index,
            op=" + ".join(op.kind for op in step.operators),
            output_shape=step.outputs[0].shape,
            macs=_macs(step),
            instructions=count,
            us=time,
            reason=step.reason or None,
            estimated_cycles=estimate,
            operators=tuple(op.index for op in step.operators),
        )
        for step, count, time, estimate in zip(steps, counts, times, cycles, strict=True)
    )


def _macs(step: Step) -> int | None:
    definitions = [ops.definitions().get(operator.kind) for operator in step.operators]
    counts = [d.macs(op) for d, op in zip(definitions, step.operators, strict=True) if d]
    return sum(counts) if len(counts) == len(definitions) else None


def _interpreted(
    graph: Graph,
    model: bytes,
    settings: BenchmarkSpec,
    dataset: Dataset | None,
    progress: Callable[[int, int], None],
) -> Deployment:
    """The score in TFLM's interpreter. It is the reference, so that nothing is compared, and a
    process of Python around it, so that nothing is timed."""
    untimed = BenchmarkResult(None, None, None, None, None)
    costs = step_costs(executed_steps(graph, "tflm", Goal("host")), untimed)
    if dataset is None:
        return Deployment(untimed, None, None, costs)
    count = None if settings.samples == "all" else settings.samples
    images = evaluation_inputs(graph, dataset, count)
    inputs = [(image[np.newaxis],) for image in images]
    outputs = golden_outputs(model, inputs, lambda done: progress(done, len(images)))
    achieved = score([values for (values,) in outputs], graph.outputs[0], dataset)
    return Deployment(untimed, None, achieved, costs)


def _with_estimate(
    timed: BenchmarkResult, board: Board, elf: Path, model: bytes, data: bytes
) -> BenchmarkResult:
    """Adds the estimates, where the board states how they are made and the tools are there."""
    execution = count_execution(board, elf, sha256_hex(model), data)
    if execution is None:
        return timed
    return replace(
        timed,
        estimated_cycles=execution.cycles,
        estimated_ms=board.estimated_ms(execution.cycles),
        missed_lines=execution.missed_lines,
        step_cycles=execution.step_cycles,
    )


def _timed(
    device: Device, board: Board, data: bytes, settings: BenchmarkSpec, port: str
) -> BenchmarkResult:
    on_board = board.kind == "board"
    return benchmark(
        device,
        board.counter,
        data,
        warmups=settings.warmups,
        runs=max(settings.runs, _BOARD_RUNS) if on_board else settings.runs,
        window_s=_BOARD_WINDOW_S if on_board else None,
        in_real_time=not port.startswith(REPLAY),
    )
