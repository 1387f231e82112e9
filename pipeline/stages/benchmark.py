"""The stage `benchmark`, and the validation of a built image on inputs of one's own."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.stages.build import COMPILING, ELF, program_version
from pipeline.stages.run import Run, Stage
from pipeline.stages.training import data_settings, load_data, packages
from pipeline.target import MODEL, Target

if TYPE_CHECKING:
    from pipeline.deployment import InputCheck
    from pipeline.inputs import Arrays

SERIAL_LOG = "serial.log"
VALIDATION_LOG = "validation.log"


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
        "missed_lines": shown.benchmark.missed_lines,
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
        "pipeline.analysis.mistakes",
        "pipeline.quantize",
        "pipeline.training.task",
        "pipeline.data",
        *COMPILING,
    ),
    versions=_emulator_versions,
    execute=_benchmark,
    summary=_benchmark_summary,
    # Only an emulator repeats itself exactly; time on a board or on this computer is measured anew.
    cacheable=lambda t: t.board.kind == "emulated" and not t.replayed,
)
