"""report.html: one file that asks for nothing else, drawn from a Report and its Details."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.analysis.layer_table import layer_bits_table
from pipeline.codegen.templates import render_template
from pipeline.report.charts import ArenaChart, LineChart, arena_chart, learning_chart
from pipeline.report.compression import bits_chart
from pipeline.report.details import Details, LayerParameters
from pipeline.report.model import Confusion, OpCost, Report
from pipeline.report.text import cost_unit_of, error_text, interval_text, summary_rows

_MOST_CLASSES = 25  # a larger matrix tells nobody anything; the list of confusions still does
_CONFUSIONS_LISTED = 6


@dataclass(frozen=True)
class Figure:
    """One of the large numbers on top; `share` of a limit is drawn as a meter, 0..1."""

    name: str
    value: str
    note: str
    share: float | None = None


@dataclass(frozen=True)
class StepRow:
    """One executed step; None where a quantity is unknown.

    Attributes:
        macs_bar, cost_bar: lengths of the bars, 0..1 of the largest step's.
        cost_share: of all steps together, 0..1.
    """

    op: str
    shape: tuple[int, ...]
    receptive_field: tuple[int, int] | None
    parameters: str
    weight_bytes: str
    macs: str
    macs_bar: float | None
    cost: str
    cost_bar: float | None
    cost_share: float | None
    cost_per_mac: str


@dataclass(frozen=True)
class Totals:
    """Sums over all steps, as text; "-" where a summand is unknown."""

    parameters: str
    weight_bytes: str
    macs: str
    cost: str
    cost_per_mac: str


@dataclass(frozen=True)
class Part:
    """A piece of a memory bar; `share` is of the whole bar."""

    name: str
    size_bytes: int
    share: float


@dataclass(frozen=True)
class Memory:
    """What one memory holds; `limit_share` is None on the host, which has no limit."""

    name: str
    total: int
    limit: int | None
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Cell:
    """A count in the confusion matrix; `strength` of its colour, 0..1."""

    count: int
    strength: float
    is_right: bool
    text: str


@dataclass(frozen=True)
class MatrixRow:
    name: str
    cells: tuple[Cell, ...]
    total: int
    right: str


def render_html(report: Report, details: Details) -> str:
    """The text of report.html: no script, no request, readable in light and dark."""
    cost_unit = cost_unit_of(report)
    confusion = report.confusion
    shows_matrix = confusion is not None and len(confusion.classes) <= _MOST_CLASSES
    return render_template(
        "report.html.j2",
        report=report,
        details=details,
        figures=_figures(report, details),
        summary=summary_rows(report),
        cost_unit=cost_unit,
        steps=_step_rows(report.per_op, details.layers, cost_unit),
        totals=_totals(report.per_op, details.layers, cost_unit),
        memories=_memories(report, details),
        arena=_arena(report, details),
        curves=_curves(details),
        bits=None if details.bits is None else bits_chart(details.bits),
        layer_bits=None if details.bits is None else layer_bits_table(details.bits),
        matrix=_matrix(confusion) if confusion is not None and shows_matrix else (),
        confusions=() if confusion is None else _most_frequent(confusion),
        versions=sorted(report.versions.items()),
    )


def _figures(report: Report, details: Details) -> list[Figure]:
    figures = []
    accuracy = report.accuracy
    if accuracy is not None and accuracy.on_device is not None:
        note = f"of {accuracy.samples:,} images on the device"
        if accuracy.on_device_interval is not None:
            note += f", {interval_text(accuracy.on_device_interval)}"
        figures.append(Figure("Accuracy", f"{100 * accuracy.on_device:.2f} %", note))
    error = report.reconstruction_error
    if error is not None and error.on_device is not None:
        note = f"of what {error.samples:,} images come back as from the device"
        figures.append(Figure("Mean squared error", error_text(error.on_device), note))
    instructions, latency = report.instructions_per_inference, report.latency_us
    if instructions is not None:
        figures.append(
            Figure("Instructions", f"{instructions.median:,}", "per inference, emulated, exact")
        )
    if latency is not None:
        where = "measured" if report.kind == "measured" else "on this computer"
        note = f"{where}, median of {latency.runs}; p95 {_time(latency.p95)}"
        figures.append(Figure("Latency", _time(latency.median), note))
    if report.estimated_ms is not None and report.estimate is not None:
        note = f"estimated, ±{report.estimate.error_percent:g} %: {report.estimate.basis}"
        figures.append(Figure("Latency", f"{report.estimated_ms:,.2f} ms", note))
    for name, size, limit in (
        ("Flash", report.flash_bytes, details.flash_limit),
        ("RAM", report.ram_bytes, details.ram_limit),
    ):
        if size is not None:
            share = None if limit is None else size / limit
            note = "no limit here" if share is None else f"{100 * share:.1f} % of {_binary(limit)}"
            figures.append(Figure(name, _binary(size), note, share))
    if report.arena_bytes is not None:
        note = "activations, inputs, outputs, scratch"
        figures.append(Figure("Arena", _binary(report.arena_bytes), note))
    return figures


def _time(us: float | None) -> str:
    if us is None:
        return "unknown"
    return f"{us:,.0f} µs" if us < 1000 else f"{us / 1000:,.2f} ms"


def _binary(size: int | None) -> str:
    """Bytes as people compare them with a data sheet."""
    if size is None:
        return "unknown"
    if size < 1024:
        return f"{size} B"
    if size < 1024 * 1024:
        return f"{size / 1024:.1f} KiB".replace(".0 ", " ")
    return f"{size / 1024 / 1024:.1f} MiB".replace(".0 ", " ")


def _step_rows(
    steps: Sequence[OpCost], layers: Sequence[LayerParameters], cost_unit: str | None
) -> list[StepRow]:
    costs = _costs(steps, cost_unit)
    all_costs = sum(cost for cost in costs if cost is not None)
    most_macs = max((step.macs or 0 for step in steps), default=0)
    most_cost = max((cost or 0 for cost in costs), default=0)
    rows = []
    for step, cost in zip(steps, costs, strict=True):
        stored = _stored(step, layers)
        rows.append(
            StepRow(
                op=step.op,
                shape=step.output_shape,
                receptive_field=_field(step, layers),
                parameters="-" if stored is None else f"{stored[0]:,}",
                weight_bytes="-" if stored is None else f"{stored[1]:,}",
                macs="-" if step.macs is None else f"{step.macs:,}",
                macs_bar=None if not most_macs or step.macs is None else step.macs / most_macs,
                cost="-" if cost is None else _plain(cost),
                cost_bar=None if cost is None or not most_cost else cost / most_cost,
                cost_share=None if cost is None or not all_costs else cost / all_costs,
                cost_per_mac=_plain(round(cost / step.macs, 1)) if cost and step.macs else "-",
            )
        )
    return rows


def _field(step: OpCost, layers: Sequence[LayerParameters]) -> tuple[int, int] | None:
    """Of the step's last operator."""
    last = step.operators[-1] if step.operators else step.index
    fields = [layer.receptive_field for layer in layers if layer.index == last]
    return fields[0] if fields else None


def _costs(steps: Sequence[OpCost], cost_unit: str | None) -> list[float | None]:
    return [step.instructions if cost_unit == "instructions" else step.us for step in steps]


def _totals(
    steps: Sequence[OpCost], layers: Sequence[LayerParameters], cost_unit: str | None
) -> Totals:
    macs = _sum([step.macs for step in steps])
    cost = _sum(_costs(steps, cost_unit))
    return Totals(
        parameters=f"{sum(layer.parameters for layer in layers):,}" if layers else "-",
        weight_bytes=f"{sum(layer.weight_bytes for layer in layers):,}" if layers else "-",
        macs="-" if macs is None else f"{macs:,}",
        cost="-" if cost is None else _plain(cost),
        cost_per_mac=_plain(round(cost / macs, 1)) if cost and macs else "-",
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _plain(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _stored(step: OpCost, layers: Sequence[LayerParameters]) -> tuple[int, int] | None:
    """(parameters, bytes) of the step's operators; None where they do not stand side by side."""
    kinds = step.op.split(" + ")
    own = [layer for layer in layers if step.index <= layer.index < step.index + len(kinds)]
    if [layer.op for layer in own] != kinds:
        return None
    return sum(layer.parameters for layer in own), sum(layer.weight_bytes for layer in own)


def _memories(report: Report, details: Details) -> list[Memory]:
    """Flash and RAM, each as a bar of what is in it."""
    return [
        _memory(
            "Flash",
            report.flash_bytes,
            details.flash_limit,
            (
                ("constants of the model", report.const_bytes),
                ("code of model, kernels, runtime", report.code_bytes),
            ),
            "benchmark core, port, C library",
        ),
        _memory(
            "RAM",
            report.ram_bytes,
            details.ram_limit,
            (("arena", report.arena_bytes),),
            "buffers of the benchmark core, other variables",
        ),
    ]


def _memory(
    name: str,
    total: int | None,
    limit: int | None,
    known: Sequence[tuple[str, int | None]],
    rest: str,
) -> Memory:
    if not total:
        return Memory(name, 0, limit, ())
    sizes = [(part, size) for part, size in known if size]
    left = total - sum(size for _, size in sizes)
    if left < 0:  # the arena of a runtime that does not keep it in RAM of the image
        sizes, left = [], total
    sizes.append((rest if sizes else "image", left))
    return Memory(
        name, total, limit, tuple(Part(part, size, size / total) for part, size in sizes if size)
    )


def _arena(report: Report, details: Details) -> ArenaChart | None:
    if not details.buffers or not report.arena_bytes:
        return None
    return arena_chart(details.buffers, report.arena_bytes, len(report.per_op))


def _curves(details: Details) -> tuple[LineChart, ...]:
    curves = details.curves
    if curves is None:
        return ()
    phase = curves.float_epochs
    if curves.accuracy is None:
        return (
            learning_chart(
                "Loss (mean squared error)", curves.loss, from_zero=True, first_phase=phase
            ),
        )
    return (
        learning_chart("Accuracy", curves.accuracy, from_zero=False, first_phase=phase),
        learning_chart("Loss (cross-entropy)", curves.loss, from_zero=True, first_phase=phase),
    )


def _matrix(confusion: Confusion) -> tuple[MatrixRow, ...]:
    wrong = [
        count
        for row, counts in enumerate(confusion.counts)
        for column, count in enumerate(counts)
        if row != column
    ]
    most_wrong = max(wrong, default=0) or 1
    rows = []
    for actual, counts in enumerate(confusion.counts):
        total = sum(counts)
        name = confusion.classes[actual]
        cells = []
        for taken, count in enumerate(counts):
            is_right = actual == taken
            strength = (count / total if total else 0.0) if is_right else count / most_wrong
            text = f"{count:,} images of class {name} taken for {confusion.classes[taken]}"
            cells.append(Cell(count, round(strength, 3), is_right, text))
        right = f"{100 * counts[actual] / total:.1f} %" if total else "-"
        rows.append(MatrixRow(name, tuple(cells), total, right))
    return tuple(rows)


def _most_frequent(confusion: Confusion) -> tuple[tuple[str, str, int], ...]:
    """(class, taken for, images), the most frequent first."""
    wrong = [
        (confusion.classes[actual], confusion.classes[taken], count)
        for actual, counts in enumerate(confusion.counts)
        for taken, count in enumerate(counts)
        if actual != taken and count
    ]
    return tuple(sorted(wrong, key=lambda entry: -entry[2])[:_CONFUSIONS_LISTED])
