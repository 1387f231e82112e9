"""Every stage of the pipeline: what it takes, what it gives, and what its result depends on."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.arena_fit import FIT_ARENA
from pipeline.build_stages import (
    BUILD,
    COMPILING,
    ELF,
    FLASH,
    GENERATE,
    program_version,
)
from pipeline.compression_stages import COMPRESS
from pipeline.doctor_stage import DOCTOR
from pipeline.errors import PipelineError, UsageError
from pipeline.examine_stage import EXAMINATION, EXAMINE
from pipeline.run import Run, Stage
from pipeline.store import StageRecord, sha256_hex
from pipeline.target import MODEL, Target
from pipeline.training_stages import (
    CONVERT,
    HISTORY,
    POST_TRAINING,
    QAT_HISTORY,
    QUANTIZE_AWARE,
    READING,
    TRAIN,
    data_settings,
    load_data,
    packages,
    result_line,
)

if TYPE_CHECKING:
    from pipeline.deployment import InputCheck
    from pipeline.inputs import Arrays
    from pipeline.report.model import Report

__all__ = [
    "ANALYZE",
    "BENCHMARK",
    "BUILD",
    "COMPRESS",
    "CONVERT",
    "DOCTOR",
    "EVALUATE",
    "EXAMINE",
    "FIT_ARENA",
    "FLASH",
    "FROM_MODEL",
    "FROM_SPEC",
    "GENERATE",
    "POST_TRAINING",
    "QUANTIZE_AWARE",
    "REPORT",
    "TRAIN",
    "analysis_of",
    "check_inputs",
    "differing_inputs",
    "read_report",
    "validation_inputs",
]

COST = "cost.json"
SERIAL_LOG = "serial.log"
VALIDATION_LOG = "validation.log"
REPORT_JSON = "report.json"
REPORT_MARKDOWN = "report.md"
REPORT_HTML = "report.html"

# --- evaluate, analyze ---------------------------------------------------------------------------


def _evaluate(run: Run) -> Mapping[str, Any]:
    from pipeline.accuracy import host_score, score_json

    dataset = load_data(run.target.experiment.data)
    total = len(dataset.test_images)
    return score_json(
        host_score(run.read(MODEL), dataset, lambda done: run.progress.advanced(done, total))
    )


EVALUATE = Stage(
    name="evaluate",
    takes={MODEL: "convert"},
    gives=(),
    settings=lambda run: (data_settings(run.target),),
    code=(
        "pipeline.data",
        "pipeline.accuracy",
        "pipeline.golden",
        "pipeline.mistakes",
        "pipeline.quantize",
        "pipeline.task",
        *READING,
    ),
    versions=packages("tflite_micro", "numpy"),
    execute=_evaluate,
    summary=lambda r: f"int8 {result_line(r)} of {r['samples']:,} images (TFLM)",
)


def _analyze(run: Run) -> Mapping[str, Any]:
    from pipeline.analyze import analyze
    from pipeline.tflite_reader import read_tflite

    cost = analyze(read_tflite(run.read(MODEL), MODEL))
    run.folder.write_json(COST, cost.to_json())
    return {"macs": cost.macs, "parameters": cost.parameters, "layers": len(cost.layers)}


def analysis_of(run: Run) -> dict[str, Any]:
    """`pipeline.analysis.analysis` of the run's model, with its benchmark if that is of this model.

    `ANALYZE` is brought up to date before.
    """
    from pipeline.analysis import analysis
    from pipeline.analyze import CostTable
    from pipeline.separable import separable_pairs
    from pipeline.store import sha256_hex
    from pipeline.tflite_reader import read_tflite

    content = run.read(MODEL)
    shown = run.result(BENCHMARK.name)
    is_current = shown is not None and run.folder.stage(BENCHMARK.name).inputs.get(
        MODEL
    ) == sha256_hex(content)
    return analysis(
        CostTable.from_json(json.loads(run.read(COST))),
        separable_pairs(read_tflite(content, MODEL), run.target.goal),
        shown["per_op"] if shown is not None and is_current else (),
    )


def _cost_summary(result: Mapping[str, Any]) -> str:
    macs = "unknown MACs" if result["macs"] is None else f"{result['macs']:,} MACs"
    return f"{result['layers']} operators, {macs}, {result['parameters']:,} parameters"


ANALYZE = Stage(
    name="analyze",
    takes={MODEL: "convert"},
    gives=(COST,),
    settings=lambda run: (),
    code=("pipeline.analyze", "pipeline.receptive_field", *READING),
    versions=packages("ai-edge-litert", "numpy"),
    execute=_analyze,
    summary=_cost_summary,
)

# --- benchmark -----------------------------------------------------------------------------------


def _benchmark(run: Run) -> Mapping[str, Any]:
    from pipeline.accuracy import score_json
    from pipeline.deployment import measure

    target = run.target
    dataset = None if target.spec is None else load_data(target.spec.data)
    log = io.BytesIO()
    try:
        shown = measure(
            target.board,
            run.folder.file(ELF),
            run.read(MODEL),
            target.benchmark,
            runtime=target.runtime,
            port=target.port,
            goal=target.goal,
            dataset=dataset,
            seed=target.seed,
            log=log,
            progress=run.progress.advanced,
        )
    finally:
        run.folder.write(SERIAL_LOG, log.getvalue())  # also what a failing device said
    validation = shown.validation
    return {
        "instructions_per_inference": _plain(shown.benchmark.instructions),
        "latency_us": _plain(shown.benchmark.latency_us),
        "clocks": _plain(shown.benchmark.clocks),
        "estimated_cycles": shown.benchmark.estimated_cycles,
        "estimated_ms": shown.benchmark.estimated_ms,
        "arena_bytes": shown.benchmark.arena_bytes,
        **score_json(shown.score),
        "class_names": None if dataset is None else list(dataset.class_names),
        "golden": {
            "compared": None if validation is None else validation.compared,
            "identical": None if validation is None else validation.identical,
        },
        "first_difference": None if validation is None else _plain(validation.first_difference),
        "per_op": [asdict(step) for step in shown.steps],
    }


def validation_inputs(run: Run, source: str) -> Sequence[Arrays]:
    """The inputs that `source` names: as `inputs.load_inputs`, or `test:N`, the first N images of
    the run's test split.

    Raises:
        DataError: they cannot be had, or do not fit the model.
        UsageError: the test images of a model without a data set.
        ModelError: the model does not suit the data set.
    """
    import numpy as np

    from pipeline.accuracy import evaluation_inputs
    from pipeline.inputs import TEST, count_in, load_inputs
    from pipeline.tflite_reader import read_tflite

    graph = read_tflite(run.read(MODEL), MODEL)
    if not source.startswith(TEST):
        return load_inputs(source, graph, run.target.seed)
    if run.target.spec is None:
        raise UsageError(f"inputs: {source!r} needs a data set, and a .tflite alone has none")
    dataset = load_data(run.target.spec.data)
    images = evaluation_inputs(graph, dataset, count_in(source, TEST, len(dataset.test_images)))
    return [(image[np.newaxis],) for image in images]


def check_inputs(run: Run, vectors: Sequence[Arrays], per_layer: bool) -> InputCheck:
    """Compares the built firmware with TFLM on these inputs; never cached."""
    from pipeline.deployment import check_inputs

    run.require(BENCHMARK)
    log = io.BytesIO()
    run.progress.started("validate")
    try:
        check = check_inputs(
            run.target.board,
            run.folder.file(ELF),
            run.read(MODEL),
            vectors,
            runtime=run.target.runtime,
            port=run.target.port,
            goal=run.target.goal,
            per_layer=per_layer,
            log=log,
            progress=run.progress.advanced,
        )
    finally:
        run.folder.write(VALIDATION_LOG, log.getvalue())
    run.progress.finished(f"{check.validation.compared:,} inferences compared")
    return check


def differing_inputs(run: Run) -> str:
    """What to give `validate` for the inputs of which the benchmark's outputs differed."""
    from pipeline.deployment import GOLDEN_INPUTS

    if run.target.spec is None:
        return GOLDEN_INPUTS
    first = run.folder.stage(BENCHMARK.name).result["first_difference"]["inference"]
    return f"test:{first + 1}"


def _plain(value: Any) -> dict[str, Any] | None:
    return None if value is None else asdict(value)


def _emulator_versions(target: Target) -> Mapping[str, str]:
    versions = dict(packages("tflite_micro", "numpy")(target))
    if target.board.kind == "emulated" and target.board.emulator is not None:
        program = target.board.emulator.command[0]
        versions[program] = program_version(program)
    if target.board.estimate is not None:
        versions["gcc"] = program_version("gcc")  # builds the instrument
    return versions


def _benchmark_summary(result: Mapping[str, Any]) -> str:
    golden = result["golden"]
    if golden["compared"] is None:
        return "TFLM's interpreter is the reference itself: nothing timed, nothing compared"
    verdict = "identical to TFLM" if golden["identical"] else "DIFFER from TFLM"
    cost = result["instructions_per_inference"]
    unit = "instructions"
    if cost is None:
        cost, unit = result["latency_us"], "us"
    return f"{cost['median']:,} {unit}; {golden['compared']:,} outputs {verdict}"


def _benchmark_settings(run: Run) -> tuple[Any, ...]:
    target = run.target
    emulator = target.board.emulator
    return (
        target.benchmark,
        target.goal,
        target.board.id,
        target.board.counter,
        target.board.estimate,
        None if emulator is None else emulator.command,
        data_settings(target),
        target.seed,
        target.replayed,
    )


BENCHMARK = Stage(
    name="benchmark",
    takes={ELF: "build", MODEL: "convert"},
    gives=(SERIAL_LOG,),
    settings=_benchmark_settings,
    code=(
        "pipeline.deployment",
        "pipeline.accuracy",
        "pipeline.benchmark",
        "pipeline.validate",
        "pipeline.device",
        "pipeline.emulation",
        "pipeline.protocol",
        "pipeline.golden",
        "pipeline.inputs",
        "pipeline.mistakes",
        "pipeline.quantize",
        "pipeline.task",
        "pipeline.data",
        *COMPILING,
    ),
    versions=_emulator_versions,
    execute=_benchmark,
    summary=_benchmark_summary,
    # Only an emulator repeats itself exactly; time on a board or on this computer is measured anew.
    cacheable=lambda t: t.board.kind == "emulated" and not t.replayed,
)

# --- report --------------------------------------------------------------------------------------


def _standing(run: Run) -> dict[str, StageRecord]:
    """The stages that a report draws on, without those whose result is not about what is there
    now: a model that was converted anew has no accuracy until it is evaluated.

    Raises:
        PipelineError: the firmware, or its benchmark, is not of the artifacts that are there.
    """
    stages = [stage for stage in FROM_SPEC if stage is not REPORT and stage.applies(run.target)]
    records = {
        stage.name: record for stage in stages if (record := run.standing(stage)) is not None
    }
    if run.target.spec is not None and CONVERT.name not in records:
        for stage in (
            TRAIN,
            *COMPRESS,
            POST_TRAINING,
            QUANTIZE_AWARE,
        ):  # of another model than the .tflite
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


FROM_MODEL = (ANALYZE, DOCTOR, FIT_ARENA, GENERATE, BUILD, BENCHMARK, EXAMINE, REPORT)
FROM_SPEC = (TRAIN, *COMPRESS, POST_TRAINING, QUANTIZE_AWARE, CONVERT, EVALUATE, *FROM_MODEL)
