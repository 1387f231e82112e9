"""What the stages left in a run's manifest -> Report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pipeline.boards import CoreTimings
from pipeline.report.model import (
    ClockCheck,
    CompressionStep,
    Confusion,
    EstimateBasis,
    Golden,
    Kind,
    OpCost,
    Report,
    Scores,
    Spread,
)
from pipeline.spec.own_files import label
from pipeline.target import Target

_KINDS: dict[str, Kind] = {"board": "measured", "emulated": "emulated", "host": "host"}
_COMPRESS = "compress_"  # begins the names of `pipeline.stages.compression`


def assemble(
    target: Target,
    results: Mapping[str, Mapping[str, Any]],
    model_bytes: int,
    versions: Mapping[str, str],
) -> Report:
    """The report of a run.

    Args:
        results: stage name -> what it left, in the stages' order; "benchmark" and "build" at least.
        model_bytes: size of the .tflite file.
        versions: tool -> version, of all stages.
    """
    shown, image = results["benchmark"], results["build"]
    return Report(
        model=target.name,
        dataset=None if target.spec is None else label(target.spec.data.name),
        board=target.board.id,
        runtime=target.runtime,
        kind=_KINDS[target.board.kind],
        accuracy=_scores("accuracy", target, results),
        instructions_per_inference=_spread(shown["instructions_per_inference"]),
        estimated_cycles=shown.get("estimated_cycles"),
        estimated_ms=shown.get("estimated_ms"),
        latency_us=_spread(shown["latency_us"]),
        model_bytes=model_bytes,
        flash_bytes=image["flash_bytes"],
        ram_bytes=image["ram_bytes"],
        code_bytes=image["code_bytes"],
        const_bytes=image["const_bytes"],
        arena_bytes=shown["arena_bytes"],
        golden=Golden(**shown["golden"]),
        per_op=tuple(
            OpCost(
                **{
                    **row,
                    "output_shape": tuple(row["output_shape"]),
                    "operators": tuple(row.get("operators", ())),
                }
            )
            for row in shown["per_op"]
        ),
        versions=versions,
        confusion=_confusion(results),
        optimize=target.optimize if target.runtime == "aot" else None,
        estimate=_estimate(target, shown),
        reconstruction_error=_scores("reconstruction_error", target, results),
        clocks=None if shown["clocks"] is None else ClockCheck(**shown["clocks"]),
        compression=_compression(results),
        quantized_to=results.get("convert", {}).get("quantized_to", "int8"),
    )


def _estimate(target: Target, shown: Mapping[str, Any]) -> EstimateBasis | None:
    stated = target.board.estimate
    if shown.get("estimated_ms") is None or stated is None:
        return None
    alone = isinstance(stated.method, CoreTimings)
    return EstimateBasis(
        stated.error_percent,
        stated.basis,
        "at zero wait states" if alone else "with flash",
        shown.get("missed_lines"),
    )


def _spread(values: Mapping[str, Any] | None) -> Spread | None:
    return None if values is None else Spread(**values)


def _interval(quantity: str, shown: Mapping[str, Any]) -> tuple[float, float] | None:
    ends = shown.get(f"{quantity}_interval")
    return None if ends is None else (ends[0], ends[1])


def _scores(
    quantity: str, target: Target, results: Mapping[str, Mapping[str, Any]]
) -> Scores | None:
    """`quantity` ("accuracy", "reconstruction_error") of every stage that has it."""
    shown = results["benchmark"]
    if target.spec is None or shown.get(quantity) is None:
        return None

    def of(stage: str) -> float | None:
        value: float | None = results.get(stage, {}).get(quantity)
        return value

    compressed = [of(name) for name in results if name.startswith(_COMPRESS)]
    return Scores(
        float32=compressed[-1] if compressed else of("train"),
        int8_host=of("evaluate"),
        on_device=shown[quantity],
        samples=shown["samples"],
        int8_post_training=of("post_training"),
        on_device_interval=_interval(quantity, shown),
        float32_uncompressed=of("train") if compressed else None,
    )


def _compression(results: Mapping[str, Mapping[str, Any]]) -> tuple[CompressionStep, ...]:
    return tuple(
        CompressionStep(
            technique=result["technique"],
            parameters_before=result["parameters_before"],
            parameters=result["parameters"],
            untuned=result["untuned"],
            tuned=result["reconstruction_error"]
            if result["accuracy"] is None
            else result["accuracy"],
            skipped=result["skipped"],
            facts=result["facts"],
        )
        for name, result in results.items()
        if name.startswith(_COMPRESS)
    )


def classified(
    results: Mapping[str, Mapping[str, Any]],
) -> tuple[Literal["device", "host"], Mapping[str, Any]] | None:
    """The result that tells how images were classified, and where they were: on the device, unless
    more were on the host. None where none were."""
    device, host = results["benchmark"], results.get("evaluate")
    if host is not None and "confusion" in host and host["samples"] > (device["samples"] or 0):
        return None if host["confusion"] is None else ("host", host)
    return None if device.get("confusion") is None else ("device", device)


def _confusion(results: Mapping[str, Mapping[str, Any]]) -> Confusion | None:
    found = classified(results)
    if found is None:
        return None
    where, shown = found
    return Confusion(
        where,
        shown["samples"],
        tuple(results["benchmark"]["class_names"]),
        tuple(map(tuple, shown["confusion"])),
    )
