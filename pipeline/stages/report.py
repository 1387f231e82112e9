"""The stage `report`: what the other stages left, as JSON, Markdown and one HTML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError
from pipeline.stages.analyze import ANALYZE, COST, EVALUATE
from pipeline.stages.arena_fit import FIT_ARENA
from pipeline.stages.benchmark import BENCHMARK, SERIAL_LOG
from pipeline.stages.bit_width import BIT_WIDTHS, BITS
from pipeline.stages.build import BUILD, GENERATE
from pipeline.stages.compression import COMPRESS
from pipeline.stages.doctor import DOCTOR
from pipeline.stages.examine import EXAMINATION, EXAMINE
from pipeline.stages.run import Run, Stage
from pipeline.stages.training import (
    CONVERT,
    HISTORY,
    POST_TRAINING,
    QAT_HISTORY,
    QUANTIZE_AWARE,
    TRAIN,
    packages,
)
from pipeline.store import StageRecord, sha256_hex
from pipeline.target import MODEL

if TYPE_CHECKING:
    from pipeline.report.model import Report

REPORT_JSON = "report.json"
REPORT_MARKDOWN = "report.md"
REPORT_HTML = "report.html"

REPORTED = (
    TRAIN,
    *COMPRESS,
    POST_TRAINING,
    QUANTIZE_AWARE,
    CONVERT,
    EVALUATE,
    ANALYZE,
    DOCTOR,
    FIT_ARENA,
    GENERATE,
    BUILD,
    BENCHMARK,
    EXAMINE,
)
"""The stages that a report tells of, in their order. `BITS` is told of where it was done."""

_COMPRESSION_FACTS = [name for stage in COMPRESS for name in stage.gives if name.endswith(".json")]


def _standing(run: Run) -> dict[str, StageRecord]:
    """The stages that a report draws on, without those whose result is not about what is there
    now: a model that was converted anew has no accuracy until it is evaluated.

    Raises:
        PipelineError: the firmware, or its benchmark, is not of the artifacts that are there.
    """
    stages = [stage for stage in (*REPORTED, BITS) if stage.applies(run.target)]
    records = {
        stage.name: record for stage in stages if (record := run.standing(stage)) is not None
    }
    if run.target.spec is not None and CONVERT.name not in records:
        # Of another model than the .tflite.
        for stage in (TRAIN, *COMPRESS, POST_TRAINING, QUANTIZE_AWARE):
            records.pop(stage.name, None)
    for stage in (BUILD, BENCHMARK):
        if stage.name not in records:
            raise PipelineError(
                f"report: {stage.name} of {run.folder.path} is missing or out of date",
                f"do it with: mcu-pipeline {stage.name} {run.folder.shell_name}",
            )
    return records


def _results(run: Run) -> dict[str, Mapping[str, Any]]:
    """Stage -> its result."""
    return {name: record.result for name, record in _standing(run).items()}


def _artifacts(run: Run) -> dict[str, str]:
    """Name -> SHA-256 of everything that the report is about."""
    hashes = {MODEL: sha256_hex(run.read(MODEL))}
    for record in _standing(run).values():
        hashes |= record.outputs
    return dict(sorted(hashes.items()))


def _report(run: Run) -> Mapping[str, Any]:
    from pipeline.report.details import assemble_details
    from pipeline.report.html import render_html
    from pipeline.report.text import render_markdown

    report, artifacts = read_report(run), _artifacts(run)
    details = assemble_details(
        run.target,
        _results(run),
        [json.loads(run.read(name)) for name in (HISTORY, QAT_HISTORY) if name in artifacts],
        json.loads(run.read(COST)) if COST in artifacts else None,
        json.loads(run.read(EXAMINATION)) if EXAMINATION in artifacts else None,
        artifacts,
        [json.loads(run.read(name)) for name in _COMPRESSION_FACTS if name in artifacts],
        json.loads(run.read(BIT_WIDTHS)) if BIT_WIDTHS in artifacts else None,
    )
    run.folder.write_json(REPORT_JSON, report.to_json())
    run.folder.write(REPORT_MARKDOWN, render_markdown(report))
    run.folder.write(REPORT_HTML, render_html(report, details))
    return {}


REPORT = Stage(
    name="report",
    takes={SERIAL_LOG: "benchmark", MODEL: "convert"},
    gives=(REPORT_JSON, REPORT_MARKDOWN, REPORT_HTML),
    settings=lambda run: (
        run.target.name,
        run.target.board.id,
        run.target.runtime,
        run.target.optimize,
        _results(run),
        _artifacts(run),
        run.folder.versions,
    ),
    code=("pipeline.report", "pipeline.stages", "pipeline.codegen.templates"),
    resources=("templates",),
    versions=packages(),
    execute=_report,
    summary=lambda r: f"{REPORT_JSON}, {REPORT_MARKDOWN}, {REPORT_HTML}",
)


def read_report(run: Run) -> Report:
    """The report of a run whose stages are done."""
    from pipeline.report.assemble import assemble

    model_bytes = run.folder.file(MODEL).stat().st_size
    return assemble(run.target, _results(run), model_bytes, run.folder.versions)
