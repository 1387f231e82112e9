"""A sweep from its file to its pages."""

from __future__ import annotations

from pathlib import Path

from pipeline.sweep.page import SweepTable, write_pages
from pipeline.sweep.plan import read_plan, title
from pipeline.sweep.study import Outcome, Study, default_storage, settled
from pipeline.sweep.trial import end_trials, run_trial
from pipeline.target import RUNS_FOLDER, known_names
from pipeline.terminal import Terminal


def run_sweep(
    path: Path,
    workers: int,
    storage: str | None,
    output_dir: Path | None,
    retry_failed: bool,
    terminal: Terminal,
) -> tuple[SweepTable, Path]:
    """Runs all settings that have no result yet, and writes the pages after each.

    Args:
        path: of the sweep's file.
        storage: SQLAlchemy URL; None for a SQLite file in the sweep's folder.
        output_dir: None for runs/sweep-<name>.

    Returns:
        The table, and the folder that has the pages and the trials' run folders.

    Raises:
        SpecError: the file has a mistake.
        PipelineError: the database cannot be opened.
    """
    plan = read_plan(path, known_names())
    folder = output_dir or RUNS_FOLDER / f"sweep-{plan.name}"
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(plan, storage or default_storage(folder))
    study.prepare(retry_failed)
    table = write_pages(plan, study.outcomes(), folder)

    def ended(outcome: Outcome) -> None:
        write_pages(plan, study.outcomes(), folder)
        done, failed, _ = settled(study.outcomes())
        total = plan.sampled.trials if plan.sampled else len(plan.settings)
        accuracy = (outcome.result or {}).get("accuracy")
        told = outcome.error or ("done" if accuracy is None else f"test accuracy {accuracy:.4f}")
        terminal.note(f"{done + failed} of {total}  {title(plan, outcome.settings)}: {told}")

    try:
        study.run(lambda settings: run_trial(plan, settings, folder), workers, ended)
    except KeyboardInterrupt:
        end_trials()
        raise
    table = write_pages(plan, study.outcomes(), folder)
    return table, folder
