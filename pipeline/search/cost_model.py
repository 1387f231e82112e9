"""Networks -> costs on a board: from the table where it has all layers, else built and emulated."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.analysis.analyze import analyze
from pipeline.analysis.receptive_field import receptive_fields
from pipeline.aot.lowering import lower
from pipeline.aot.program import ConstArray, Program
from pipeline.data import user_cache_folder
from pipeline.errors import ModelError, PipelineError, UsageError
from pipeline.graph import Graph
from pipeline.resources import project_dir
from pipeline.search.budget import Budget, Cost
from pipeline.search.layer_costs import LayerCost, LayerTable
from pipeline.stages.benchmark import BENCHMARK
from pipeline.stages.build import BUILD, COMPILING
from pipeline.store import canonical_key, code_hash, files_hash, sha256_hex
from pipeline.target import Target

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def require_countable(target: Target, budget: Budget) -> None:
    """Raises UsageError or PipelineError where the board or its runtime cannot tell what the budget
    is about."""
    board = target.board
    if not budget.limits:
        raise UsageError("search: give a budget: --max-instructions or --max-latency-ms")
    if board.kind != "emulated" or board.counter.unit != "instructions":
        raise UsageError(
            f"search: {board.id} counts no instructions: costs are looked up in an emulator",
            "name an emulated board, such as --board nano33ble_sim",
        )
    if target.runtime != "aot":
        raise UsageError(
            f"search: costs are of the aot runtime, the spec asks for {target.runtime}"
        )
    if budget.latency_ms is not None and board.estimate is None:
        raise UsageError(
            f"search: nobody has an estimate of latency for {board.id}", "give --max-instructions"
        )


def table_file(target: Target) -> Path:
    """Where the board's table lies; another compiler, kernel or emulator has another one."""
    board = target.board
    key = canonical_key(
        target.goal,
        board.id,
        board.counter,
        board.estimate,
        None if board.emulator is None else board.emulator.command,
        code_hash(*COMPILING, "pipeline.emulation", "pipeline.benchmark"),
        [files_hash(project_dir() / name) for name in ("templates/aot", *BUILD.resources)],
        dict(BUILD.versions(target)),
        dict(BENCHMARK.versions(target)),
    )
    name = f"{board.id}-{target.optimize}-{key[:16]}.json"
    return user_cache_folder() / "layer-costs" / name


@dataclass(frozen=True, eq=False)
class _Compiled:
    model: bytes
    graph: Graph
    program: Program


@dataclass(frozen=True)
class _Frame:
    """What a measured firmware had beside its layers.

    Attributes:
        instructions, cycles: of an inference outside of the steps.
        ram_bytes: beside the arena; flash_bytes: beside the constants.
    """

    instructions: int
    cycles: int
    ram_bytes: int
    flash_bytes: int


class CostModel:
    """Of one board and goal."""

    def __init__(
        self,
        target: Target,
        images: npt.NDArray[np.float32],
        folder: Path,
        with_latency: bool,
        table: LayerTable | None = None,
    ) -> None:
        """Args:
        images: (samples, height, width, channels), which calibrate.
        folder: for building.
        """
        self._target, self._images, self._folder = target, images, folder
        self._with_latency = with_latency
        self._table = table or LayerTable(table_file(target))
        self._frame: _Frame | None = None

    def cost(self, network: Any) -> Cost:
        """From the table; what is not a layer's is as of the network that was measured last. Where
        a layer is not in the table, the network is emulated first and its layers enter it.

        The network's weights may be changed.

        Raises:
            ValueError: none was measured yet.
        """
        if self._frame is None:
            raise ValueError("measure a network first")
        try:
            compiled = self._compiled(network)
        except ModelError:  # a cut that left nothing alive: of a constant there is no int8 scale
            _enliven(network)
            compiled = self._compiled(network)
        steps = compiled.program.steps
        if self._table.get(steps, self._with_latency) is None:
            self._emulated(compiled)
        layers = self._table.get(steps, self._with_latency)
        assert layers is not None, "they were added"
        return self._sum(compiled, layers, self._frame)

    def measure(self, network: Any) -> Cost:
        """Built and emulated as a whole; layers that the table lacks enter it."""
        compiled = self._compiled(network)
        layers, self._frame = self._emulated(compiled)
        return self._sum(compiled, layers, self._frame)

    def receptive_field(self, network: Any) -> int | None:
        """Of the convolutions, in pixels of the shorter axis."""
        return _field(self._compiled(network).graph)

    def _compiled(self, network: Any) -> _Compiled:
        from pipeline.convert import convert_network
        from pipeline.tflite_reader import read_tflite

        quantization = dataclasses.replace(
            self._target.experiment.quantization, mode="ptq", calibration="min-max"
        )
        model = convert_network(network, self._images, quantization).content
        graph = read_tflite(model)
        return _Compiled(model, graph, lower(graph, self._target.goal))

    def _emulated(self, compiled: _Compiled) -> tuple[Sequence[LayerCost], _Frame]:
        from pipeline.firmware import build
        from pipeline.inputs import load_inputs, pack

        steps = compiled.program.steps
        image = build(self._generated(compiled), self._target.board, "aot", self._folder / "build")
        data = pack(load_inputs("random:1", compiled.graph)[0])
        instructions, counts = self._counted(image.elf, compiled, data)
        cycles, cycle_counts = self._estimated(image.elf, compiled, data)
        layers = [LayerCost(*one) for one in zip(counts, cycle_counts, strict=True)]
        self._table.add(steps, layers)
        frame = _Frame(
            instructions=instructions - sum(counts),
            cycles=cycles - sum(each or 0 for each in cycle_counts),
            ram_bytes=image.ram_bytes - compiled.program.memory.arena_bytes,
            flash_bytes=image.flash_bytes - _constant_bytes(compiled.program),
        )
        return layers, frame

    def _counted(self, elf: Path, compiled: _Compiled, data: bytes) -> tuple[int, tuple[int, ...]]:
        """Instructions of an inference and of every step."""
        from pipeline.benchmark import benchmark
        from pipeline.deployment import open_device

        board, count = self._target.board, len(compiled.program.steps)
        with open_device(board, elf, compiled.model, runtime="aot", step_count=count) as device:
            timed = benchmark(device, board.counter, data, warmups=0, runs=1)
        assert timed.instructions is not None, "require_countable"
        assert timed.step_instructions is not None, "require_countable"
        return round(timed.instructions.median), timed.step_instructions

    def _estimated(
        self, elf: Path, compiled: _Compiled, data: bytes
    ) -> tuple[int, Sequence[int | None]]:
        """Cycles of an inference and of every step; nothing where latency is not asked for."""
        from pipeline.emulation import count_execution

        if not self._with_latency:
            return 0, [None] * len(compiled.program.steps)
        execution = count_execution(self._target.board, elf, sha256_hex(compiled.model), data)
        if execution is None:
            raise PipelineError(
                "search: latency cannot be estimated without a host compiler, and a QEMU that "
                "takes plugins",
                "give --max-instructions",
            )
        return execution.cycles, execution.step_cycles

    def _generated(self, compiled: _Compiled) -> Path:
        from pipeline.codegen.aot import render_aot
        from pipeline.codegen.model_info import render_model_info

        folder = self._folder / "generated"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        name, sha256 = self._target.name, sha256_hex(compiled.model)
        sources = render_aot(compiled.program, name, sha256)
        for file, text in (sources | render_model_info(compiled.graph, name, sha256)).items():
            (folder / file).write_text(text, encoding="utf-8")
        return folder

    def _sum(self, compiled: _Compiled, layers: Sequence[LayerCost], frame: _Frame) -> Cost:
        cycles = frame.cycles + sum(layer.cycles or 0 for layer in layers)
        return Cost(
            instructions=frame.instructions + sum(layer.instructions for layer in layers),
            latency_ms=self._target.board.estimated_ms(cycles) if self._with_latency else None,
            ram_bytes=frame.ram_bytes + compiled.program.memory.arena_bytes,
            flash_bytes=frame.flash_bytes + _constant_bytes(compiled.program),
            macs=analyze(compiled.graph).macs,
            receptive_field=_field(compiled.graph),
        )


def _enliven(network: Any) -> None:
    """Gives the network weights by which no ReLU is dead on images that are not negative."""
    for weight in network.weights:
        kind = weight.name.rsplit("/", 1)[-1]
        value = weight.numpy()
        if kind.startswith(("bias", "beta", "moving_mean")):
            value = np.zeros_like(value)
        weight.assign(np.abs(value))


def _constant_bytes(program: Program) -> int:
    arrays = {
        id(value): value.data.nbytes
        for call in program.calls
        for value in (*call.inputs, *call.params.values())
        if isinstance(value, ConstArray)
    }
    return sum(arrays.values())


def _field(graph: Graph) -> int | None:
    fields = receptive_fields(graph)
    found = [
        min(fields[op.output])
        for op in graph.operators
        if op.kind in _CONVOLUTIONS and op.output in fields
    ]
    return max(found, default=None)
