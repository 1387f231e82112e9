"""TFLM's arena made as large as the device says it needs, instead of an estimate from above."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from pipeline.errors import DeviceError, PipelineError
from pipeline.stages.build import BUILD, ELF, FLASH, GENERATE, write_tflm_sources
from pipeline.stages.run import Run, Stage
from pipeline.target import MODEL, Target

FIT_LOG = "fit_arena.log"
_ALIGNMENT_BYTES = 16
# What TFLM says that it uses leaves out what it takes while it plans and gives back: with small
# activations there may be no room left for that.
_PLANNING_BYTES = (0, 256, 1024, 4096)
_INPUTS = "random:1"


def require_fitting(target: Target) -> None:
    """Raises PipelineError where there is no arena to fit."""
    if target.runtime != "tflm":
        raise PipelineError(
            f"--fit-arena is for the runtime tflm: the arena of {target.runtime} is planned exactly"
        )
    if target.runtime == target.board.interpreted_runtime:
        raise PipelineError(
            f"--fit-arena needs a device: {target.board.id} runs TFLM's interpreter, which reports "
            "no arena"
        )


def _fit(run: Run) -> Mapping[str, Any]:
    """Builds with the estimate, reads what is used of it, builds with that, and confirms."""
    estimated = write_tflm_sources(run, None)["arena_bytes"]
    used = _used_bytes(run)
    for planning in _PLANNING_BYTES:
        arena = -(-(used + planning) // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
        if arena >= estimated:
            break
        write_tflm_sources(run, arena)
        try:
            confirmed = _used_bytes(run)
        except DeviceError:
            continue
        return {"arena_bytes": arena, "used_bytes": confirmed, "estimated_bytes": estimated}
    return {"arena_bytes": estimated, "used_bytes": used, "estimated_bytes": estimated}


def _used_bytes(run: Run) -> int:
    """What the device uses of the arena it was built with, after an inference that equals TFLM's.

    Raises:
        DeviceError: it computes nothing, as with too small an arena.
        OutputsDifferError: it computes something else.
    """
    from pipeline.deployment import open_device
    from pipeline.inputs import load_inputs
    from pipeline.tflite_reader import read_tflite
    from pipeline.validate import validate

    target, model = run.target, run.read(MODEL)
    graph = read_tflite(model, MODEL)
    BUILD.execute(run)
    if target.board.kind == "board":
        FLASH.execute(run)
    log = io.BytesIO()
    try:
        with open_device(
            target.board,
            run.folder.file(ELF),
            model,
            runtime=target.runtime,
            step_count=len(graph.operators),
            log=log,
            port=target.port,
        ) as device:
            validate(device, graph, model, load_inputs(_INPUTS, graph)).require_identical(None)
            return device.info.arena_bytes
    finally:
        run.folder.write(FIT_LOG, log.getvalue())


def _summary(result: Mapping[str, Any]) -> str:
    return (
        f"arena {result['arena_bytes']:,} bytes, of which {result['used_bytes']:,} are used "
        f"(estimated {result['estimated_bytes']:,})"
    )


FIT_ARENA = Stage(
    name="fit_arena",
    takes={MODEL: "convert"},
    gives=(),
    # Without what GENERATE takes from here.
    settings=lambda run: (*BUILD.settings(run), run.target.name, run.target.board.tflm_year),
    code=("pipeline.stages.arena_fit", *GENERATE.code, *BUILD.code),
    resources=(*GENERATE.resources, *BUILD.resources),
    versions=lambda target: {**GENERATE.versions(target), **BUILD.versions(target)},
    execute=_fit,
    summary=_summary,
    applies=lambda target: target.fit_arena,
)
