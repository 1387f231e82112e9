"""The networks of a search that are trained to the end, each in a run folder like any other."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.compress.distill import Distill
from pipeline.report.scatter import Run as Place
from pipeline.report.scatter import pareto_front
from pipeline.search.budget import Metric
from pipeline.search.shrink import Step
from pipeline.search.trials import Saved
from pipeline.spec import ExperimentSpec, ModelSpec, dump_spec
from pipeline.stages import FROM_SPEC, read_report
from pipeline.stages.run import Run
from pipeline.store import RunFolder, open_run
from pipeline.target import SPEC, Overrides, Target, target_of_experiment
from pipeline.terminal import Terminal

CANDIDATES = "candidates"


def chosen_steps(steps: Sequence[Step[Saved]], metric: Metric, more: int) -> list[Step[Saved]]:
    """The last step, and up to `more` of those before that no other step beats in accuracy and
    cost, evenly apart in the cost's logarithm.

    Args:
        steps: with the starting network, which is chosen only where it is the last.
    """
    *others, last = steps
    places = [Place(s.number, "", s.cost.of(metric), s.accuracy) for s in steps]
    front = pareto_front(places)
    left = [step for step in others if step.number in front and step.number > 0]
    if not left or more == 0:
        return [last]
    high, low = (math.log(s.cost.of(metric)) for s in (left[0], last))
    picked = {last.number: last}
    for index in range(more):
        wanted = high - index * (high - low) / more
        nearest = min(left, key=lambda s: abs(math.log(s.cost.of(metric)) - wanted))
        picked[nearest.number] = nearest
    return [step for step in steps if step.number in picked]


def candidate_spec(
    spec: ExperimentSpec, folder: RunFolder, step: Step[Saved], teacher: str
) -> ExperimentSpec:
    """The spec of a run: the network as it is saved, trained on as [search] says.

    Args:
        spec: of the search. teacher: artifact of the starting network.
    """
    search = spec.search
    training = Distill(
        epochs=search.epochs,
        learning_rate=search.learning_rate,
        teacher=str(folder.file(teacher).absolute()),
        temperature=search.temperature,
        alpha=search.teacher_share,
    )
    return dataclasses.replace(
        spec,
        name=f"{spec.name}-step{step.number}",
        model=ModelSpec(str(folder.file(step.network.name).absolute())),
        compression=(training,) if search.epochs else (),
    )


def run_candidate(
    spec: ExperimentSpec, folder: RunFolder, step: Step[Saved], terminal: Terminal
) -> dict[str, Any]:
    """All stages of a candidate's spec in `candidates/step-NNN`, and what they gave.

    Raises:
        PipelineError: a stage fails.
    """
    target: Target = target_of_experiment(spec, Overrides())
    path = folder.file(f"{CANDIDATES}/step-{step.number:03}")
    with open_run(path) as artifacts:
        artifacts.write(SPEC, dump_spec(spec))
        run = Run(artifacts, target, terminal)
        for stage in FROM_SPEC:
            run.bring(stage)
        report: Mapping[str, Any] = read_report(run).to_json()
        held_out = _held_out(run)
    accuracy = report["accuracy"]
    return {
        "step": step.number,
        "folder": str(path),
        "held_out": step.accuracy if held_out is None else held_out,
        "float_test": accuracy["float"],
        "int8_test": accuracy["int8_host"],
        "on_device": accuracy["on_device"],
        "samples_on_device": accuracy["samples"],
        "identical": report["golden"]["identical"],
        "instructions": report["instructions_per_inference"]["median"],
        "estimated_ms": report["estimated_ms"],
        **{name: report[name] for name in ("flash_bytes", "ram_bytes")},
    }


def _held_out(run: Run) -> float | None:
    """Accuracy after the last epoch on the images that were held out."""
    facts = run.folder.file("compression_1.json")
    if not facts.is_file():
        return None
    epochs = json.loads(facts.read_bytes())["history"]["epochs"]
    return None if not epochs else epochs[-1]["validation_accuracy"]
