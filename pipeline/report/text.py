"""A report for people: the summary rows shared by the terminal and report.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pipeline.codegen.templates import render_template
from pipeline.compress import reasons
from pipeline.report.model import ClockCheck, Report, Scores, Spread

_UNKNOWN = "-"
_WHERE = {"measured": "measured", "emulated": "emulated", "host": "on this computer"}


def summary_rows(report: Report) -> list[tuple[str, str]]:
    """(quantity, value) pairs; a quantity that is not known is left out, never shown as 0."""
    rows = [
        ("model", report.model),
        ("dataset", report.dataset),
        ("generated code minimises", report.optimize),
        *_compression_rows(report),
        *_score_rows("accuracy", report.accuracy, _percent, report.quantized_to),
        *_score_rows(
            "mean squared error", report.reconstruction_error, error_text, report.quantized_to
        ),
        ("golden check against TFLM", _golden(report)),
        ("instructions per inference (emulated)", _spread(report.instructions_per_inference)),
        (f"latency ({_WHERE[report.kind]}), us", _spread(report.latency_us)),
        ("clocks over the timed runs", _clocks(report.clocks)),
        *_estimated_cycles(report),
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


def _score_rows(
    name: str, scores: Scores | None, text: Callable[[float], str], quantized_to: str
) -> list[tuple[str, str | None]]:
    if scores is None:
        return []
    trained = "" if scores.int8_post_training is None else " quantization-aware"
    values = (
        (f"{name}, float before compression", scores.float32_uncompressed),
        (f"{name}, float", scores.float32),
        (f"{name}, int8 post-training on the host (TFLM)", scores.int8_post_training),
        (f"{name}, {quantized_to}{trained} on the host (TFLM)", scores.int8_host),
    )
    rows = [(title, None if value is None else text(value)) for title, value in values]
    if scores.on_device is not None:
        value = f"{text(scores.on_device)} of {scores.samples:,} images"
        if scores.on_device_interval is not None:
            value += f" ({interval_text(scores.on_device_interval)})"
        rows.append((f"{name}, on the device", value))
    return rows


def _compression_rows(report: Report) -> list[tuple[str, str | None]]:
    rows: list[tuple[str, str | None]] = []
    score = _percent if report.reconstruction_error is None else error_text
    for place, step in enumerate(report.compression, 1):
        facts = [f"{step.parameters_before:,} -> {step.parameters:,} parameters"]
        facts += [_fact(name, value) for name, value in step.facts.items()]
        facts.append(f"{score(step.untuned)} at once, {score(step.tuned)} trained on")
        if step.skipped:
            facts.append(f"left as they are: {reasons(step.skipped)}")
        rows.append((f"compression {place}: {step.technique}", "; ".join(facts)))
    return rows


def _fact(name: str, value: float) -> str:
    return (
        f"{name.replace('_', ' ')} {value:,}" if isinstance(value, int) else f"{name} {value:.4g}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def error_text(squared_error: float) -> str:
    """A reconstruction error with three significant digits."""
    return f"{squared_error:.3g}"


def _count(value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _estimated_cycles(report: Report) -> list[tuple[str, str | None]]:
    if report.estimate is None:
        return []
    return [
        ("flash lines missed (estimated)", _count(report.estimate.missed_lines)),
        (f"cycles {report.estimate.cycles} (estimated)", _count(report.estimated_cycles)),
    ]


def _estimated_latency(report: Report) -> str | None:
    if report.estimated_ms is None or report.estimate is None:
        return None
    return f"{report.estimated_ms:,.2f} ms +-{report.estimate.error_percent:g} %"


def interval_text(interval: tuple[float, float]) -> str:
    """A confidence interval of a share, in percent."""
    low, high = (100 * share for share in interval)
    return f"95 % interval {low:.2f} to {high:.2f} %"


def _clocks(check: ClockCheck | None) -> str | None:
    if check is None:
        return None
    others = []
    if check.board_percent is not None:
        others.append(f"the board's second {check.board_percent:+.3f} %")
    if check.host_percent is not None:
        host = f"this computer's {check.host_percent:+.2f} +-{check.host_error_percent:.2f} %"
        others.append(host)
    if not others:
        return None
    verdict = "within 1 %" if check.agree else "MORE THAN 1 % APART"
    return f"{verdict} over {check.window_s:.2f} s: {', '.join(others)}"


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
