"""The stages that compress a trained model: one a technique, so that each is kept by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pipeline.compress import FineTuning, kept_constraints, reasons, technique_of
from pipeline.spec import MAX_TECHNIQUES
from pipeline.spec.own_files import content_hash, start_file
from pipeline.stages.run import Run, Stage
from pipeline.stages.training import (
    COMPRESSED_MODEL,
    KERAS_MODEL,
    checkpoint_of,
    data_settings,
    load_data,
    packages,
    result_line,
    shown,
    trained_file,
    trained_model,
)
from pipeline.target import Target

FACTS = "compression_{}.json"


def _compress(run: Run, place: int) -> Mapping[str, Any]:
    from pipeline.training.compression import compress

    spec = run.target.experiment
    settings = spec.compression[place - 1]
    checkpoint = checkpoint_of(run, COMPRESS[place - 1])
    model = str(run.folder.file(KERAS_MODEL))
    own: dict[str, Any] = dict.fromkeys(_own_model(settings), model)
    compressed = compress(
        dataclasses.replace(settings, **own),
        spec.training,
        load_data(spec.data),
        trained_file(run, place - 1),
        trained_file(run, place),
        shown(run),
        spec.augmentation,
        checkpoint,
        spec.compression[: place - 1],
    )
    stated = dataclasses.replace(compressed, settings=settings)  # without where the run's model is
    run.folder.write_json(FACTS.format(place), stated.to_json())
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


def _own_model(settings: FineTuning) -> list[str]:
    """Settings that mean the run's own model before compression."""
    return [name for name in technique_of(settings).files if getattr(settings, name) is None]


def _taken(target: Target, place: int) -> Mapping[str, str]:
    taken = dict(trained_model(target, place - 1))
    if _own_model(target.experiment.compression[place - 1]):
        taken |= trained_model(target, 0)
    return taken


def _settings(run: Run, place: int) -> tuple[Any, ...]:
    from pipeline.training.schedule import trained_on

    spec = run.target.experiment
    settings = spec.compression[place - 1]
    hashes: dict[str, Any] = {
        name: content_hash(start_file(getattr(settings, name)))
        for name in technique_of(settings).files
        if name not in _own_model(settings)
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
    skipped = f"; left as they are: {reasons(result['skipped'])}" if result["skipped"] else ""
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
        is_training=True,
        summary=_summary,
        applies=lambda target: target.spec is not None and len(target.spec.compression) >= place,
        takes_if=lambda target: _taken(target, place),
    )


COMPRESS = tuple(_stage(place) for place in range(1, MAX_TECHNIQUES + 1))
