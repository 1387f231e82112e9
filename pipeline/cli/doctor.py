"""The command `doctor`: what a model, a project or this machine suffers from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import BoardId
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.boards import Board
    from pipeline.doctor import Finding
    from pipeline.doctor.shared.project import Project
    from pipeline.doctor.shared.subject import Subject
    from pipeline.target import Overrides

_FOUND_ERRORS = 1


@click.command("doctor")
@click.argument(
    "source", metavar="[MODEL]", required=False, type=click.Path(exists=True, path_type=Path)
)
@click.option("--board", type=BoardId(), help="Board id; default the spec's, or nano33ble_sim.")
@click.option("--runtime", type=click.Choice(["tflm", "aot"]), help="Inference runtime.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on stdout.")
def doctor_command(source: Path | None, board: str | None, runtime: Any, as_json: bool) -> None:
    """Find what will go wrong with a model on a board.

    MODEL is a .tflite, a spec, a run folder, or the folder of a PlatformIO or Arduino project of
    your own; without one the machine and the board are examined. Exit code 1 where an error is
    found.
    """
    from pipeline.doctor import examine
    from pipeline.target import Overrides

    subjects = list(_subjects(source, Overrides(board, runtime)))
    findings = list(dict.fromkeys(f for subject in subjects for f in examine(subject)))
    if source is None and board is None:
        findings += _of_other_boards(subjects[0].board)
    if as_json:
        click.echo(json.dumps(_json(subjects[0], findings), indent=2, ensure_ascii=False))
    else:
        _print(source, subjects[0], findings)
    if any(finding.level == "error" for finding in findings):
        click.get_current_context().exit(_FOUND_ERRORS)


def _subjects(source: Path | None, overrides: Overrides) -> Iterator[Subject]:
    """At least one; a project with several models has one for each."""
    from pipeline import target as targets
    from pipeline.doctor.shared.project import is_project
    from pipeline.stages.doctor import subject_of
    from pipeline.store import MANIFEST

    if source is None:
        yield subject_of(targets.target_of_board(overrides), None)
        return
    if source.is_dir():
        is_run = any((source / name).is_file() for name in (targets.SPEC, MANIFEST))
        if not is_run and is_project(source):
            yield from _of_project(source, overrides)
            return
        if not is_run:
            raise PipelineError(
                f"doctor: {source} is neither a run folder nor a project",
                "a project has a platformio.ini or an .ino file",
            )
        target, model = targets.target_of_folder(source, overrides), source / targets.MODEL
    elif source.suffix == ".toml":
        target = targets.target_of_spec(source, overrides)
        model = target.default_folder / targets.MODEL
    else:
        target, model = targets.target_of_model(source, overrides), source
    there = source == model or model.is_file()
    yield subject_of(target, targets.read_model(model) if there else None)


def _of_other_boards(asked: Board) -> list[Finding]:
    """What this machine lacks for the other boards: nothing that stops anybody."""
    from dataclasses import replace

    from pipeline.boards import boards
    from pipeline.doctor import examine
    from pipeline.stages.doctor import subject_of
    from pipeline.target import Overrides, target_of_board

    subjects = (
        subject_of(target_of_board(Overrides(other.id)), None)
        for other in boards()
        if other != asked
    )
    return [replace(f, level="info") for subject in subjects for f in examine(subject)]


def _of_project(folder: Path, overrides: Overrides) -> Iterator[Subject]:
    from dataclasses import replace

    from pipeline.doctor.shared.project import model_arrays, read_project
    from pipeline.doctor.shared.subject import Model
    from pipeline.stages.doctor import subject_of
    from pipeline.target import target_of_board
    from pipeline.tflite_reader import read_tflite

    project = read_project(folder)
    board = overrides.board or _board_of(project)
    target = target_of_board(replace(overrides, board=board, runtime=overrides.runtime or "tflm"))
    subject = subject_of(target, None)
    subject = replace(subject, project=project, library=project.library or subject.library)
    models = {array.content: array.place for array in model_arrays(project)}
    for content, place in models.items():
        yield replace(subject, model=Model(content, read_tflite(content, place)))
    if not models:
        yield subject


def _board_of(project: Project) -> str:
    """The board whose memories and library are closest to those of PlatformIO's board."""
    from pipeline.boards import boards

    name = project.board_name
    if name in {board.id for board in boards()}:
        return name
    return "esp32dev" if name.startswith("esp32") else "nano33ble"


def _json(subject: Subject, findings: Sequence[Finding]) -> dict[str, Any]:
    from pipeline.doctor import checks

    return {
        "board": subject.board.id,
        "runtime": subject.runtime,
        "checks": list(checks()),
        "findings": [
            {
                "id": finding.id,
                "level": finding.level,
                "what": finding.what,
                "why": finding.why,
                "remedy": finding.remedy,
            }
            for finding in findings
        ],
    }


def _print(source: Path | None, subject: Subject, findings: Sequence[Finding]) -> None:
    from pipeline.doctor import LEVELS, checks

    for finding in findings:
        click.echo(f"{finding.level}: {finding.id}: {finding.what}")
        click.echo(f"    why: {finding.why}")
        click.echo(f"    do:  {finding.remedy}")
    counts = Counter(finding.level for finding in findings)
    found = ", ".join(
        f"{counts[level]} {level}{'s' if counts[level] > 1 and level != 'info' else ''}"
        for level in LEVELS
        if counts[level]
    )
    what = "this machine" if source is None else str(source)
    if source is not None and subject.model is None:
        what += " (no model yet)" if subject.project is None else " (no model array found)"
    click.echo(
        f"{found or 'nothing found'}: {what} for {subject.board.id} with {subject.runtime}, "
        f"{len(checks())} checks"
    )
