"""The examination of a model before it is built, and the same for the command `doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.errors import DoesNotFitError, PipelineError
from pipeline.stages.build import COMPILING
from pipeline.stages.run import Run, Stage
from pipeline.stages.training import data_settings, load_data, packages
from pipeline.target import MODEL, Target

if TYPE_CHECKING:
    from pipeline.doctor import Finding
    from pipeline.doctor.shared.machine import Machine
    from pipeline.doctor.shared.subject import Subject


def subject_of(target: Target, content: bytes | None) -> Subject:
    """What is examined of a target.

    Args:
        content: its .tflite; None where there is none yet: machine and board alone are looked at.
    """
    from pipeline.doctor.shared.subject import Model, Subject, library_of
    from pipeline.tflite_reader import read_tflite

    return Subject(
        target.board,
        target.runtime,
        target.goal,
        library_of(target.board, target.runtime),
        _machine(target),
        None if content is None else Model(content, read_tflite(content, MODEL)),
        None if content is None else _trained_range(target),
    )


def _machine(target: Target) -> Machine:
    from pipeline.doctor.shared.machine import look_around

    return look_around(target.board, target.runtime)


def _trained_range(target: Target) -> tuple[float, float] | None:
    """Lowest and highest value that the data set feeds into a model; None without a data set."""
    if target.spec is None:
        return None
    import numpy as np

    dataset = load_data(target.spec.data)
    images = dataset.train_images
    low, high = dataset.scaling.apply(np.array([images.min(), images.max()]))
    return float(low), float(high)


def _doctor(run: Run) -> Mapping[str, Any]:
    from pipeline.doctor import examine

    findings = examine(subject_of(run.target, run.read(MODEL)))
    errors = [finding for finding in findings if finding.level == "error"]
    warnings = [finding for finding in findings if finding.level == "warning"]
    for finding in (*errors[1:], *warnings):
        run.progress.note(f"{finding.level}: {finding}")
    if errors:
        raise _refusal(errors)
    return {"warnings": [asdict(finding) for finding in warnings]}


def _refusal(errors: list[Finding]) -> PipelineError:
    does_not_fit = all(error.does_not_fit for error in errors)
    kind = DoesNotFitError if does_not_fit else PipelineError
    return kind(f"doctor: {errors[0].id}: {errors[0].what}", errors[0].remedy)


def _summary(result: Mapping[str, Any]) -> str:
    ids = sorted({finding["id"] for finding in result["warnings"]})
    return f"warnings: {', '.join(ids)}" if ids else "nothing found"


DOCTOR = Stage(
    name="doctor",
    takes={MODEL: "convert"},
    gives=(),
    settings=lambda run: (
        run.target.board,
        run.target.runtime,
        run.target.goal,
        _machine(run.target),
        data_settings(run.target),
    ),
    code=("pipeline.doctor", "pipeline.stages.doctor", *COMPILING),
    versions=packages("ai-edge-litert", "numpy"),
    execute=_doctor,
    summary=_summary,
)
