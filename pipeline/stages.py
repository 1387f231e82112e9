"""Every stage of the pipeline: what it takes, what it gives, and what its result depends on."""

from __future__ import annotations

import functools
import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.run import Run, Stage
from pipeline.target import IMPORT, MODEL, Target
from pipeline.training_stages import (
    CONVERT,
    HISTORY,
    POST_TRAINING,
    QAT_HISTORY,
    QUANTIZE_AWARE,
    READING,
    TRAIN,
    data_settings,
    is_qat,
    load_data,
    packages,
)

if TYPE_CHECKING:
    from pipeline.deployment import InputCheck
    from pipeline.report.model import Report

COST = "cost.json"
GENERATED = "generated/"
ELF = "firmware.elf"
BINARY = "firmware.bin"
SERIAL_LOG = "serial.log"
VALIDATION_LOG = "validation.log"
REPORT_JSON = "report.json"
REPORT_MARKDOWN = "report.md"
REPORT_HTML = "report.html"
BUILD_FOLDER = "build"

_COMPILING = (*READING, "pipeline.aot", "pipeline.codegen", "pipeline.fixed_point")


@functools.cache
def program_version(program: str) -> str:
    """First line of what `program --version` says, or "missing"."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return "missing"
    return done.stdout.splitlines()[0].strip()


# --- evaluate, analyze ---------------------------------------------------------------------------


def _evaluate(run: Run) -> Mapping[str, Any]:
    from pipeline.accuracy import host_accuracy

    dataset = load_data(run.target.experiment.data.name)
    total = len(dataset.test_images)
    accuracy = host_accuracy(
        run.read(MODEL), dataset, lambda done: run.progress.advanced(done, total)
    )
    return {
        "accuracy": accuracy.value,
        "samples": accuracy.samples,
        "confusion": accuracy.confusion,
    }


EVALUATE = Stage(
    name="evaluate",
    takes={MODEL: "convert"},
    gives=(),
    settings=lambda run: (data_settings(run.target),),
    code=("pipeline.data", "pipeline.accuracy", "pipeline.golden", "pipeline.quantize", *READING),
    versions=packages("tflite_micro", "numpy"),
    execute=_evaluate,
    summary=lambda r: f"int8 accuracy {r['accuracy']:.4f} of {r['samples']:,} images (TFLM)",
)


def _analyze(run: Run) -> Mapping[str, Any]:
    from pipeline.analyze import analyze
    from pipeline.tflite_reader import read_tflite

    cost = analyze(read_tflite(run.read(MODEL), MODEL))
    run.folder.write_json(COST, cost.to_json())
    return {"macs": cost.macs, "parameters": cost.parameters, "layers": len(cost.layers)}


def _cost_summary(result: Mapping[str, Any]) -> str:
    macs = "unknown MACs" if result["macs"] is None else f"{result['macs']:,} MACs"
    return f"{result['layers']} operators, {macs}, {result['parameters']:,} parameters"


ANALYZE = Stage(
    name="analyze",
    takes={MODEL: "convert"},
    gives=(COST,),
    settings=lambda run: (),
    code=("pipeline.analyze", *READING),
    versions=packages("ai-edge-litert", "numpy"),
    execute=_analyze,
    summary=_cost_summary,
)

# --- generate, build -----------------------------------------------------------------------------


def _generate(run: Run) -> Mapping[str, Any]:
    from pipeline.aot.lowering import lower
    from pipeline.aot.memory import arena_buffers
    from pipeline.codegen.aot import render_aot
    from pipeline.codegen.model_info import render_model_info
    from pipeline.store import sha256_hex
    from pipeline.tflite_reader import read_tflite

    content = run.read(MODEL)
    graph = read_tflite(content, MODEL)
    program = lower(graph, run.target.goal)
    name, sha256 = run.target.name, sha256_hex(content)
    sources = render_aot(program, name, sha256) | render_model_info(graph, name, sha256)
    run.folder.write_folder(GENERATED, sources)
    return {
        "steps": len(program.steps),
        "arena_bytes": program.memory.arena_bytes,
        "kernels": list(program.kernels),
        "files": sorted(sources),
        "buffers": [asdict(buffer) for buffer in arena_buffers(program)],
    }


GENERATE = Stage(
    name="generate",
    takes={MODEL: "convert"},
    gives=(GENERATED,),
    settings=lambda run: (run.target.runtime, run.target.name, run.target.goal, __version__),
    code=_COMPILING,
    resources=("templates",),
    versions=packages("Jinja2", "ai-edge-litert", "numpy"),
    execute=_generate,
    summary=lambda r: f"{r['steps']} steps of C, arena {r['arena_bytes']:,} bytes",
)


def _build(run: Run) -> Mapping[str, Any]:
    from pipeline.firmware import build

    target = run.target
    image = build(
        run.folder.file(GENERATED.rstrip("/")),
        target.board,
        target.runtime,
        run.folder.file(BUILD_FOLDER),
    )
    run.folder.write(ELF, image.elf.read_bytes())
    run.folder.file(ELF).chmod(0o755)  # the host's image is started as a program
    run.folder.write(BINARY, b"" if image.bin is None else image.bin.read_bytes())
    return {
        "flash_bytes": image.flash_bytes,
        "ram_bytes": image.ram_bytes,
        "stack_bytes": image.stack_bytes,
        "code_bytes": image.code_bytes,
        "const_bytes": image.const_bytes,
        "sections": [asdict(section) for section in image.sections],
    }


def _build_versions(target: Target) -> Mapping[str, str]:
    compiler = "gcc" if target.board.kind == "host" else "arm-none-eabi-gcc"
    return {**packages("platformio", "SCons")(target), compiler: program_version(compiler)}


def _build_settings(run: Run) -> tuple[Any, ...]:
    board, runtime = run.target.board, run.target.runtime
    return board.id, board.port, runtime, board.environment(runtime)


BUILD = Stage(
    name="build",
    takes={GENERATED: "generate"},
    gives=(ELF, BINARY),
    settings=_build_settings,
    code=("pipeline.firmware", "pipeline.link_map"),
    resources=("firmware", "platforms", "platformio.ini"),
    versions=_build_versions,
    execute=_build,
    summary=lambda r: f"flash {r['flash_bytes']:,} bytes, RAM {r['ram_bytes']:,} bytes",
)

# --- benchmark -----------------------------------------------------------------------------------


def _benchmark(run: Run) -> Mapping[str, Any]:
    from pipeline.deployment import measure

    target = run.target
    dataset = None if target.spec is None else load_data(target.spec.data.name)
    log = io.BytesIO()
    try:
        shown = measure(
            target.board,
            run.folder.file(ELF),
            run.read(MODEL),
            target.benchmark,
            goal=target.goal,
            dataset=dataset,
            seed=target.seed,
            log=log,
            progress=run.progress.advanced,
        )
    finally:
        run.folder.write(SERIAL_LOG, log.getvalue())  # also what a failing device said
    accuracy, validation = shown.accuracy, shown.validation
    return {
        "instructions_per_inference": _plain(shown.benchmark.instructions),
        "latency_us": _plain(shown.benchmark.latency_us),
        "arena_bytes": shown.benchmark.arena_bytes,
        "accuracy": None if accuracy is None else accuracy.value,
        "samples": None if accuracy is None else accuracy.samples,
        "confusion": None if accuracy is None else accuracy.confusion,
        "class_names": None if dataset is None else list(dataset.class_names),
        "golden": {"compared": validation.compared, "identical": validation.identical},
        "first_difference": _plain(validation.first_difference),
        "per_op": [asdict(step) for step in shown.steps],
    }


def check_inputs(run: Run, source: str, per_layer: bool) -> InputCheck:
    """Compares the built firmware with TFLM on the inputs that `source` names; never cached."""
    from pipeline.deployment import check_inputs

    run.require(BENCHMARK)
    log = io.BytesIO()
    run.progress.started("validate")
    try:
        check = check_inputs(
            run.target.board,
            run.folder.file(ELF),
            run.read(MODEL),
            source,
            goal=run.target.goal,
            seed=run.target.seed,
            per_layer=per_layer,
            log=log,
            progress=run.progress.advanced,
        )
    finally:
        run.folder.write(VALIDATION_LOG, log.getvalue())
    run.progress.finished(f"{check.validation.compared:,} inferences compared")
    return check


def _plain(value: Any) -> dict[str, Any] | None:
    return None if value is None else asdict(value)


def _emulator_versions(target: Target) -> Mapping[str, str]:
    versions = dict(packages("tflite_micro", "numpy")(target))
    if target.board.kind == "emulated" and target.board.emulator is not None:
        program = target.board.emulator.command[0]
        versions[program] = program_version(program)
    return versions


def _benchmark_summary(result: Mapping[str, Any]) -> str:
    golden = result["golden"]
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
        None if emulator is None else emulator.command,
        data_settings(target),
        target.seed,
    )


BENCHMARK = Stage(
    name="benchmark",
    takes={ELF: "build", MODEL: "convert"},
    gives=(SERIAL_LOG,),
    settings=_benchmark_settings,
    code=(
        "pipeline.deployment",
        "pipeline.benchmark",
        "pipeline.validate",
        "pipeline.device",
        "pipeline.protocol",
        "pipeline.golden",
        "pipeline.inputs",
        "pipeline.quantize",
        "pipeline.data",
        *_COMPILING,
    ),
    versions=_emulator_versions,
    execute=_benchmark,
    summary=_benchmark_summary,
    # Only an emulator repeats itself exactly; time on a board or on this computer is measured anew.
    cacheable=lambda t: t.board.kind == "emulated",
)

# --- report --------------------------------------------------------------------------------------


def _results(run: Run) -> dict[str, Mapping[str, Any]]:
    """What the stages that a report draws on have left."""
    names = ["train", "evaluate", "analyze", "generate", "build", "benchmark"]
    if is_qat(run.target):
        names.append(POST_TRAINING.name)
    return {name: result for name in names if (result := run.result(name)) is not None}


def _artifacts(run: Run) -> dict[str, str]:
    """Name -> SHA-256 of everything that the report is about."""
    hashes: dict[str, str] = {}
    for stage in (IMPORT, *(stage.name for stage in FROM_SPEC if stage is not REPORT)):
        if run.result(stage) is not None:
            hashes |= run.folder.stage(stage).outputs
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


FROM_MODEL = (ANALYZE, GENERATE, BUILD, BENCHMARK, REPORT)
FROM_SPEC = (TRAIN, POST_TRAINING, QUANTIZE_AWARE, CONVERT, EVALUATE, *FROM_MODEL)
