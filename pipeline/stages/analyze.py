"""The stages `evaluate` and `analyze`: how good the int8 model is, and what each layer costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.stages.benchmark import BENCHMARK
from pipeline.stages.run import Run, Stage
from pipeline.stages.training import READING, data_settings, load_data, packages, result_line
from pipeline.target import MODEL

COST = "cost.json"


def _evaluate(run: Run) -> Mapping[str, Any]:
    from pipeline.accuracy import host_score, score_json

    dataset = load_data(run.target.experiment.data)
    total = len(dataset.test_images)
    found = host_score(run.read(MODEL), dataset, lambda done: run.progress.advanced(done, total))
    mode = run.target.experiment.quantization.mode
    return {**score_json(found), "quantized_to": "16x8" if mode == "16x8" else "int8"}


EVALUATE = Stage(
    name="evaluate",
    takes={MODEL: "convert"},
    gives=(),
    settings=lambda run: (data_settings(run.target),),
    code=(
        "pipeline.data",
        "pipeline.accuracy",
        "pipeline.golden",
        "pipeline.analysis.mistakes",
        "pipeline.quantize",
        "pipeline.training.task",
        *READING,
    ),
    versions=packages("tflite_micro", "numpy"),
    execute=_evaluate,
    summary=lambda r: (
        f"{r.get('quantized_to', 'int8')} {result_line(r)} of {r['samples']:,} images (TFLM)"
    ),
)


def _analyze(run: Run) -> Mapping[str, Any]:
    from pipeline.analysis.analyze import analyze
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
    code=("pipeline.analysis.analyze", "pipeline.analysis.receptive_field", *READING),
    versions=packages("ai-edge-litert", "numpy"),
    execute=_analyze,
    summary=_cost_summary,
)


def analysis_of(run: Run) -> dict[str, Any]:
    """`pipeline.analysis.with_device.analysis` of the run's model, with its benchmark if that is of
    this model.

    `ANALYZE` is brought up to date before.
    """
    from pipeline.analysis.analyze import CostTable
    from pipeline.analysis.separable import separable_pairs
    from pipeline.analysis.with_device import analysis
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
