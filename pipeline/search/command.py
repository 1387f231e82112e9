"""A search from its spec to runs that are ready to flash."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.data import Dataset
from pipeline.errors import ModelError, PipelineError, UsageError
from pipeline.search.budget import Budget, Cost, Metric, told
from pipeline.search.candidates import candidate_spec, chosen_steps, run_candidate
from pipeline.search.cost_model import CostModel, require_countable, table_file
from pipeline.search.page import SearchState, step_cells, write_pages
from pipeline.search.reachable import cheapest
from pipeline.search.record import kept_step
from pipeline.search.shrink import Step, shrink
from pipeline.search.trials import Saved, Trials, search_images
from pipeline.spec import ExperimentSpec, dump_spec
from pipeline.spec.own_files import identity, model_file
from pipeline.stages import TRAIN
from pipeline.stages.run import Run
from pipeline.stages.training import KERAS_MODEL, data_settings, load_data
from pipeline.store import RunFolder, canonical_key, code_hash, open_run, sha256_hex
from pipeline.target import RUNS_FOLDER, SPEC, Target
from pipeline.terminal import Terminal

START = "start"
_VALIDATION_SPLIT = 0.1
_CALIBRATION_IMAGES = 16
_CODE = ("pipeline.compress", "pipeline.data", "pipeline.search", "pipeline.training")


def run_search(
    target: Target, budget: Budget, output_dir: Path | None, terminal: Terminal
) -> tuple[SearchState, Path]:
    """Shrinks the spec's network until it meets the budget, then trains and runs what it found.

    Everything that was finished before, by the same command, is taken up.

    Args:
        output_dir: None for runs/search-<name>-<board>.

    Returns:
        What was found, and the folder that has it.

    Raises:
        UsageError: the board, the runtime or the spec does not suit a search.
        PipelineError: the budget cannot be met; says what can be reached. Nothing was trained.
    """
    require_countable(target, budget)
    spec = search_spec(target)
    target = dataclasses.replace(target, spec=spec)
    dataset = load_data(spec.data)
    path = output_dir or RUNS_FOLDER / f"search-{target.name}-{target.board.id}"
    with open_run(path) as folder:
        folder.write(SPEC, dump_spec(spec))
        costs = _cost_model(target, dataset, folder, budget)
        _require_reachable(costs, _untrained(spec, dataset), budget, spec, terminal)
        state = _shrunk(target, dataset, costs, budget, folder, terminal)
        for step in chosen_steps(state.steps, state.metric, spec.search.runs):
            teacher = state.steps[0].network.name
            candidate = candidate_spec(spec, folder, step, teacher)
            terminal.note(f"run of step {step.number}")
            found = run_candidate(candidate, folder, step, terminal)
            state = dataclasses.replace(state, runs=(*state.runs, found))
            write_pages(state, folder)
    return state, path


def search_spec(target: Target) -> ExperimentSpec:
    """The target's spec with images held out.

    Raises:
        UsageError: it asks for compression, or for what the aot runtime does not compute.
    """
    spec = target.experiment
    if spec.compression:
        raise UsageError(
            "search: the spec has [[compression]], and what a search finds is trained by [search]",
            "take the tables out",
        )
    if spec.quantization.mode == "16x8":
        raise UsageError('search: the aot runtime does not compute [quantization] mode = "16x8"')
    if spec.training.validation_split > 0:
        return spec
    training = dataclasses.replace(spec.training, validation_split=_VALIDATION_SPLIT)
    return dataclasses.replace(spec, training=training)


def _cost_model(target: Target, dataset: Dataset, folder: RunFolder, budget: Budget) -> CostModel:
    from pipeline.convert import calibration_images

    samples = min(_CALIBRATION_IMAGES, len(dataset.train_images))
    images = calibration_images(dataset, samples, target.experiment.quantization.seed)
    with_latency = budget.latency_ms is not None
    return CostModel(target, images, folder.file("measuring"), with_latency)


def _untrained(spec: ExperimentSpec, dataset: Dataset) -> Any:
    """The network before any training. Raises ModelError where it is no classifier."""
    from pipeline.training.architecture import build_network, load_keras_model
    from pipeline.training.evaluation import network_task
    from pipeline.training.task import Task
    from pipeline.training.train import seeded_keras

    seeded_keras(spec.training.seed)
    own = model_file(spec.model.name)
    if own is not None and own.function is None:
        network = load_keras_model(own.path, "search")
    else:
        network = build_network(spec.model, dataset)
    if network_task(network, dataset) is not Task.CLASSIFICATION:
        raise ModelError(f"search: {network.name} is no classifier of {dataset.name}")
    return network


def _require_reachable(
    costs: CostModel, network: Any, budget: Budget, spec: ExperimentSpec, terminal: Terminal
) -> None:
    """Raises PipelineError where not even the network with all cuts made meets the budget."""
    terminal.started("reachable")
    start = costs.measure(network)

    if not budget.sees_enough(start):
        raise PipelineError(
            f"search: the network's convolutions see {start.receptive_field or 0} pixels, fewer "
            f"than --min-receptive-field {budget.min_receptive_field}"
        )
    least = cheapest(network, start, budget, spec.search.multiple, costs.cost)
    over = budget.exceeded(least)
    if over is not None:
        raise PipelineError(
            f"search: {told(over, budget.limits[over])} cannot be reached: with all cuts made "
            f"{spec.model.name} takes {told(over, least.of(over))}",
            "allow more, or begin with another network",
        )
    metric = next(iter(budget.limits))
    terminal.finished(f"{told(metric, start.of(metric))}, can be {least.of(metric):,.6g}")


def _shrunk(
    target: Target,
    dataset: Dataset,
    costs: CostModel,
    budget: Budget,
    folder: RunFolder,
    terminal: Terminal,
) -> SearchState:
    """All steps, with the pages written after each."""
    spec = target.experiment
    moves, key = _moves(target, dataset, costs, folder, terminal.busy)
    start = _start(target, folder, moves, terminal)
    state = SearchState(spec.name, target.board, budget, (start,))
    write_pages(state, folder)

    def take(current: Step[Saved], metric: Metric) -> Step[Saved]:
        terminal.started(f"step {current.number + 1}")
        step = kept_step(current, metric, budget, spec.search.step, moves, folder, key)
        terminal.finished(_line(step, metric, budget))
        return step

    for step in shrink(start, budget, take):
        state = dataclasses.replace(state, steps=(*state.steps, step))
        write_pages(state, folder)
    return state


def _moves(
    target: Target,
    dataset: Dataset,
    costs: CostModel,
    folder: RunFolder,
    progress: Callable[[str], None],
) -> tuple[Trials, str]:
    """The moves, and the key of all that their results depend on besides the network."""
    spec = target.experiment
    search = spec.search
    key = canonical_key(
        data_settings(target),
        spec.training,
        spec.augmentation,
        (search.multiple, search.tune_samples, search.tune_epochs, search.tune_learning_rate),
        code_hash(*_CODE),
        dict(TRAIN.versions(target)),
    )
    images = search_images(dataset, spec.training)
    moves = Trials(folder, spec, images, costs, key, progress)
    return moves, canonical_key(key, table_file(target).name, identity(spec.model.name))


def _start(target: Target, folder: RunFolder, moves: Trials, terminal: Terminal) -> Step[Saved]:
    """The trained starting network, as a run of its own."""
    spec = target.experiment
    with open_run(folder.file(START)) as artifacts:
        artifacts.write(SPEC, dump_spec(spec))
        Run(artifacts, target, terminal).bring(TRAIN)
        content = artifacts.file(KERAS_MODEL).read_bytes()
    network = Saved(f"{START}/{KERAS_MODEL}", sha256_hex(content))
    terminal.started("start")
    cost: Cost = moves.measure(network)
    accuracy = moves.score(network).accuracy
    terminal.finished(f"{100 * accuracy:.2f} % held out, {told('instructions', cost.instructions)}")
    return Step(0, None, 0.0, (), 0, network, cost, accuracy)


def _line(step: Step[Saved], metric: Metric, budget: Budget) -> str:
    limit = told(metric, budget.limits[metric])
    return (
        f"{step_cells(step)[1]}: {100 * step.accuracy:.2f} % at "
        f"{told(metric, step.cost.of(metric))} (budget {limit}), best of {len(step.proposals)}"
    )
