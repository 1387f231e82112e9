"""A report for people: the summary rows shared by the terminal and report.md."""

from __future__ import annotations

from typing import Literal

from pipeline.codegen.templates import render_template
from pipeline.report.model import Accuracy, Report, Spread

_UNKNOWN = "-"
_WHERE = {"measured": "measured", "emulated": "emulated", "host": "on this computer"}


def summary_rows(report: Report) -> list[tuple[str, str]]:
    """(quantity, value) pairs; a quantity that is not known is left out, never shown as 0."""
    accuracy = report.accuracy or Accuracy(None, None, None, 0)
    rows = [
        ("model", report.model),
        ("dataset", report.dataset),
        ("generated code minimises", report.optimize),
        ("accuracy, float", _percent(accuracy.float32)),
        ("accuracy, int8 post-training on the host (TFLM)", _percent(accuracy.int8_post_training)),
        (
            f"accuracy, int8{_trained(accuracy)} on the host (TFLM)",
            _percent(accuracy.int8_host),
        ),
        ("accuracy, on the device", _device_accuracy(report)),
        ("golden check against TFLM", _golden(report)),
        ("instructions per inference (emulated)", _spread(report.instructions_per_inference)),
        (f"latency ({_WHERE[report.kind]}), us", _spread(report.latency_us)),
        ("cycles at zero wait states (estimated)", _count(report.estimated_cycles)),
        ("latency on the real board (estimated)", _estimated_latency(report)),
        ("model file, bytes", _count(report.model_bytes)),
        ("flash of the image, bytes", _count(report.flash_bytes)),
        ("RAM of the image, bytes", _count(report.ram_bytes)),
        ("code of model and runtime, bytes", _count(report.code_bytes)),
        ("constants of model and runtime, bytes", _count(report.const_bytes)),
        ("arena, bytes", _count(report.arena_bytes)),
    ]
    return [(name, value) for name, value in rows if value is not None]


def render_markdown(report: Report) -> str:
    """The text of report.md."""
    return render_template(
        "report.md.j2",
        model=report.model,
        board=report.board,
        runtime=report.runtime,
        kind=report.kind,
        rows=summary_rows(report),
        steps=[
            (*row, op.reason or _UNKNOWN)
            for row, op in zip(step_rows(report), report.per_op, strict=True)
        ],
        cost_unit=cost_unit_of(report) or "instructions",
        estimate=report.estimate,
        versions=sorted(report.versions.items()),
    )


def cost_unit_of(report: Report) -> Literal["instructions", "us"] | None:
    """What the steps' costs are counted in, or None where they are not known."""
    if any(op.instructions is not None for op in report.per_op):
        return "instructions"
    return "us" if any(op.us is not None for op in report.per_op) else None


def step_rows(report: Report) -> list[tuple[str, str, str, str, str]]:
    """(operator index, name, output shape, MACs, cost in `cost_unit_of`) of every executed step."""
    return [
        (
            str(op.index),
            op.op,
            "x".join(map(str, op.output_shape)),
            _count(op.macs) or _UNKNOWN,
            _count(op.us if op.instructions is None else op.instructions) or _UNKNOWN,
        )
        for op in report.per_op
    ]


def _trained(accuracy: Accuracy) -> str:
    return "" if accuracy.int8_post_training is None else " quantization-aware"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.2f} %"


def _count(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _estimated_latency(report: Report) -> str | None:
    if report.estimated_ms is None or report.estimate is None:
        return None
    return f"{report.estimated_ms:,.2f} ms +-{report.estimate.error_percent:g} %"


def _device_accuracy(report: Report) -> str | None:
    if report.accuracy is None or report.accuracy.on_device is None:
        return None
    return f"{_percent(report.accuracy.on_device)} of {report.accuracy.samples:,} images"


def _golden(report: Report) -> str | None:
    if report.golden.compared is None:
        return None
    verdict = "all bytes identical" if report.golden.identical else "OUTPUTS DIFFER"
    return f"{report.golden.compared:,} inferences, {verdict}"


def _spread(spread: Spread | None) -> str | None:
    if spread is None:
        return None
    p95 = "" if spread.p95 is None else f", p95 {_count(spread.p95)}"
    lowest, highest = _count(spread.min), _count(spread.max)
    return f"{_count(spread.median)} (min {lowest}, max {highest}{p95}; {spread.runs} runs)"
