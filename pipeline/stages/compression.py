"""The stages that compress a trained model: one a technique, so that each is kept by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pipeline.compress import kept_constraints, technique_of
from pipeline.spec import MAX_TECHNIQUES
from pipeline.spec.own_files import content_hash, start_file
from pipeline.stages.run import Run, Stage
from pipeline.stages.training import (
    COMPRESSED_MODEL,
    checkpoint_of,
    data_settings,
    load_data,
    packages,
    result_line,
    shown,
    trained_file,
    trained_model,
)

FACTS = "compression_{}.json"


def _compress(run: Run, place: int) -> Mapping[str, Any]:
    from pipeline.training.compression import compress

    spec = run.target.experiment
    checkpoint = checkpoint_of(run, COMPRESS[place - 1])
    compressed = compress(
        spec.compression[place - 1],
        spec.training,
        load_data(spec.data),
        trained_file(run, place - 1),
        trained_file(run, place),
        shown(run),
        spec.augmentation,
        checkpoint,
        spec.compression[: place - 1],
    )
    run.folder.write_json(FACTS.format(place), compressed.to_json())
    checkpoint.remove()
    return {
        "technique": compressed.technique,
        "accuracy": compressed.history.accuracy,
        "reconstruction_error": compressed.history.reconstruction_error,
        "untuned": compressed.untuned,
        "parameters_before": compressed.parameters_before,
        "parameters": compressed.parameters,
        "facts": dict(compressed.facts),
        "skipped": dict(compressed.skipped),
    }


def _settings(run: Run, place: int) -> tuple[Any, ...]:
    from pipeline.training.schedule import trained_on

    spec = run.target.experiment
    settings = spec.compression[place - 1]
    hashes: dict[str, Any] = {
        name: content_hash(start_file(getattr(settings, name)))
        for name in technique_of(settings).files
    }
    return (
        dataclasses.replace(settings, **hashes),
        kept_constraints(spec.compression[: place - 1]),
        data_settings(run.target),
        trained_on(spec.training, settings.epochs, settings.learning_rate),
        spec.augmentation,
    )


def _summary(result: Mapping[str, Any]) -> str:
    sizes = f"{result['parameters_before']:,} -> {result['parameters']:,} parameters"
    skipped = f"; left as they are: {', '.join(result['skipped'])}" if result["skipped"] else ""
    return f"{result['technique']}: {sizes}, test {result_line(result)}{skipped}"


def _stage(place: int) -> Stage:
    """The stage of the technique at a place from 1 on."""
    return Stage(
        name=f"compress_{place}",
        takes={},
        gives=(COMPRESSED_MODEL.format(place), FACTS.format(place)),
        settings=lambda run: _settings(run, place),
        code=("pipeline.compress", "pipeline.data", "pipeline.training"),
        versions=packages("tensorflow", "tf_keras", "numpy"),
        execute=lambda run: _compress(run, place),
        summary=_summary,
        applies=lambda target: target.spec is not None and len(target.spec.compression) >= place,
        takes_if=lambda target: trained_model(target, place - 1),
    )


COMPRESS = tuple(_stage(place) for place in range(1, MAX_TECHNIQUES + 1))
