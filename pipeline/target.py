"""What a command works on: a spec, a run folder of an earlier command, or any int8 .tflite."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from pipeline.aot.goal import Goal, Optimize, goal_for
from pipeline.boards import Board, board, boards
from pipeline.device import AUTO, is_replay
from pipeline.errors import ModelError, PipelineError, UsageError
from pipeline.spec import BenchmarkSpec, ExperimentSpec, KnownNames, read_spec, with_overrides
from pipeline.spec.own_files import model_file
from pipeline.store import RunFolder

SPEC = "spec.toml"
MODEL = "model_int8.tflite"
IMPORT = "import"  # the manifest's entry of a run that began with a .tflite
RUNS_FOLDER = Path("runs")

Samples = int | Literal["all"]


@dataclass(frozen=True)
class Overrides:
    """What the command line says instead of the spec; None leaves its value."""

    board: str | None = None
    runtime: Literal["aot", "tflm"] | None = None
    seed: int | None = None
    samples: Samples | None = None
    optimize: Optimize | None = None
    port: str | None = None
    fit_arena: bool = False


@dataclass(frozen=True)
class Target:
    """What is run, and where.

    Attributes:
        name: of the experiment, or of the .tflite file.
        runtime: one that `board` has.
        seed: of random validation inputs, and of training where there is a spec.
        spec: None for a .tflite brought along: there is no data set and no training then.
        optimize: what the aot runtime's code minimises.
        port: where a board is reached: a path, a pyserial URL, "auto", or "replay:" and a log.
        fit_arena: size the tflm runtime's arena by what the device says it uses.
    """

    name: str
    board: Board
    runtime: str
    benchmark: BenchmarkSpec
    seed: int
    spec: ExperimentSpec | None
    optimize: Optimize = "balanced"
    port: str = "auto"
    fit_arena: bool = False

    @property
    def experiment(self) -> ExperimentSpec:
        """The spec. Raises PipelineError where there is none."""
        if self.spec is None:
            raise PipelineError(
                f"{self.name} was made from a .tflite: it has no spec to train from"
            )
        return self.spec

    @property
    def replayed(self) -> bool:
        """Whether an earlier run's log stands for the device."""
        from pipeline.device import is_replay

        return is_replay(self.port)

    @property
    def goal(self) -> Goal:
        """What the aot runtime is compiled for."""
        return goal_for(self.board, self.optimize)

    @property
    def default_folder(self) -> Path:
        ending = "" if self.optimize == "balanced" else f"-{self.optimize}"
        return RUNS_FOLDER / f"{self.name}-{self.board.id}-{self.runtime}{ending}"


def target_of_spec(path: Path, overrides: Overrides) -> Target:
    """Raises SpecError where the spec has a mistake; names and parameters are checked."""
    return target_of_experiment(read_spec(path, known_names()), overrides)


def known_names() -> KnownNames:
    """What the registries have."""
    from pipeline import data, models

    return KnownNames(
        models={
            name: {entry.name: entry.refusal for entry in definition.parameter_list()}
            for name, definition in models.models().items()
        },
        data_sets=list(data.definitions()),
        boards={known_board.id: list(known_board.runtime_ids) for known_board in boards()},
    )


def target_of_model(path: Path, overrides: Overrides) -> Target:
    """A .tflite brought along; the board is the emulated Nano 33 BLE unless stated."""
    if overrides.samples is not None:
        raise UsageError("--samples needs a data set, and a .tflite alone has none")
    return dataclasses.replace(target_of_board(overrides), name=model_name(path))


def model_name(path: Path) -> str:
    """What a .tflite is called: its file's name, out of letters, digits and "_.+-"."""
    return "".join(c if c.isalnum() or c in "_.+-" else "_" for c in path.stem)


def target_of_board(overrides: Overrides) -> Target:
    """A board without a model; it is the emulated Nano 33 BLE unless stated."""
    where = board(overrides.board or "nano33ble_sim")
    runtime = overrides.runtime or where.default_runtime
    where.require_runtime(runtime)
    return Target(
        where.id,
        where,
        runtime,
        BenchmarkSpec(),
        overrides.seed or 0,
        None,
        overrides.optimize or "balanced",
    )


def target_of_folder(folder: Path, overrides: Overrides) -> Target:
    """The target of an earlier command in `folder`.

    Raises:
        PipelineError: it is no run folder, or belongs to another board or runtime than asked for.
    """
    if (folder / SPEC).is_file():
        target = target_of_experiment(
            read_spec(folder / SPEC), dataclasses.replace(overrides, board=None, optimize=None)
        )
    else:
        target = _imported(folder, overrides)
    for what, asked, has in (
        ("board", overrides.board, target.board.id),
        ("runtime", overrides.runtime, target.runtime),
        ("optimize", overrides.optimize, target.optimize),
    ):
        if asked is not None and asked != has:
            raise PipelineError(
                f"run folder {folder} is for {what} {has}, not {asked}",
                "name the spec or the .tflite instead of the folder",
            )
    return target


def reached_at(target: Target, port: str | None) -> Target:
    """The target with its board at `port`; None leaves it to be found.

    Raises:
        UsageError: the board runs on this computer, and the port is no log that stands for one.
    """
    if port is None:
        return target
    if target.board.kind != "board" and port != AUTO and not is_replay(port):
        raise UsageError(f"--port is for boards, and {target.board.id} runs on this computer")
    return dataclasses.replace(target, port=port)


def import_record(target: Target) -> Mapping[str, Any]:
    """What the manifest keeps of a .tflite's target, for `target_of_folder`."""
    return {
        "name": target.name,
        "board": target.board.id,
        "runtime": target.runtime,
        "optimize": target.optimize,
        "benchmark": dataclasses.asdict(target.benchmark),
        "seed": target.seed,
    }


def _imported(folder: Path, overrides: Overrides) -> Target:
    try:
        record = RunFolder(folder).stage(IMPORT).result
    except KeyError:
        raise PipelineError(
            f"{folder} is no run folder: it has neither {SPEC} nor a model",
            "begin with: mcu-pipeline run SPEC",
        ) from None
    target = Target(
        record["name"],
        board(record["board"]),
        record["runtime"],
        BenchmarkSpec(**record["benchmark"]),
        record["seed"],
        None,
        record["optimize"],
    )
    if overrides.seed is not None:
        target = dataclasses.replace(target, seed=overrides.seed)
    return target


def target_of_experiment(spec: ExperimentSpec, overrides: Overrides) -> Target:
    """The spec with what the command line says instead. Raises PipelineError where the board has
    no such runtime."""
    spec = with_overrides(
        spec,
        board=overrides.board,
        runtime=overrides.runtime,
        seed=overrides.seed,
        optimize=overrides.optimize,
    )
    if overrides.samples is not None:
        benchmark = dataclasses.replace(spec.benchmark, samples=overrides.samples)
        spec = dataclasses.replace(spec, benchmark=benchmark)
    where = board(spec.board.id)
    runtime = cast(Literal["aot", "tflm"], spec.board.runtime or where.default_runtime)
    where.require_runtime(runtime)
    spec = dataclasses.replace(spec, board=dataclasses.replace(spec.board, runtime=runtime))
    return Target(
        spec.name,
        where,
        runtime,
        spec.benchmark,
        spec.training.seed,
        spec,
        spec.board.optimize,
    )


def read_model(path: Path) -> bytes:
    """The content of a .tflite file. Raises ModelError where it cannot be read or is none."""
    from pipeline.tflite_reader import read_tflite

    if model_file(path.name) is not None:
        raise ModelError(
            f"{path}: a Keras model, not a .tflite",
            f'a spec takes it: name = "{path.name}" below [model] (docs/adding-a-model.md)',
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    read_tflite(content, str(path))
    return content
