"""`python -m benchmarks.page`: the documents' table and chart from the committed results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import jinja2

from benchmarks.measure import Result
from benchmarks.results import (
    FOLDER,
    RESULTS,
    against_tflm,
    read_baseline,
    read_results,
    short,
    table,
)
from pipeline.store import write_if_changed

PAGES = (FOLDER.parent / "docs" / "benchmarks.md", FOLDER.parent / "README.md")
CHART = FOLDER.parent / "docs" / "benchmarks.svg"
_BEGIN, _END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_BOARD, _RUNTIME, _OPTIMIZE = "nano33ble_sim", "aot", "balanced"

_TEMPLATE = jinja2.Environment(
    autoescape=True, keep_trailing_newline=True, trim_blocks=True, undefined=jinja2.StrictUndefined
).from_string((FOLDER / "chart.svg.j2").read_text(encoding="utf-8"))

_LEFT, _TOP = 150, 60
_ROW, _BAR_GAP = 40, 14
_PANELS = (
    ("instructions", "instructions (millions)"),
    ("arena_bytes", "arena (kB)"),
    ("flash_bytes", "code and constants (kB)"),
)
_PANEL_WIDTH, _BAR_WIDTH = 270, 190  # the longest bar leaves room for its figure


def shown_results(results: Sequence[Result]) -> list[Result]:
    """The default options on the emulated Nano 33 BLE, which TFLM's figures are for."""
    shown = (_BOARD, _RUNTIME, _OPTIMIZE)
    return [row for row in results if (row.board, row.runtime, row.optimize) == shown]


def markdown_table(results: Sequence[Result]) -> str:
    """Every cell is "TFLM's -> ours"."""
    columns, rows = table(results, against_tflm)
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def chart(results: Sequence[Result]) -> str:
    """The SVG: for every model and quantity a bar of each runtime, the longer one full length."""
    rows = [
        {
            "model": result.model,
            "y": _TOP + number * _ROW,
            "bars": [bar for panel in range(len(_PANELS)) for bar in _bars(result, number, panel)],
        }
        for number, result in enumerate(results)
    ]
    return _TEMPLATE.render(
        title="TFLM with CMSIS-NN against the aot runtime, emulated Cortex-M4F",
        width=_LEFT + len(_PANELS) * _PANEL_WIDTH,
        height=_TOP + len(rows) * _ROW + 10,
        left=_LEFT,
        top=_TOP,
        bottom=_TOP + len(rows) * _ROW,
        keys=[
            {"series": "tflm", "x": _LEFT, "text": "TFLM + CMSIS-NN"},
            {"series": "aot", "x": _LEFT + 150, "text": "aot (emulated Cortex-M4F)"},
        ],
        panels=[
            {"title": title, "x": _LEFT + number * _PANEL_WIDTH}
            for number, (_, title) in enumerate(_PANELS)
        ],
        rows=rows,
    )


def _bars(result: Result, row: int, panel: int) -> list[dict[str, object]]:
    quantity = _PANELS[panel][0]
    theirs = read_baseline(result.board).get(result.model, {}).get(quantity)
    values = {"tflm": theirs, "aot": getattr(result, quantity)}
    known = {series: value for series, value in values.items() if value is not None}
    return [
        {
            "series": series,
            "x": _LEFT + panel * _PANEL_WIDTH,
            "y": _TOP + row * _ROW + 4 + number * _BAR_GAP,
            "width": round(_BAR_WIDTH * value / max(known.values()), 1),
            "text": short(quantity, value),
        }
        for number, (series, value) in enumerate(known.items())
    ]


def with_table(page: str, text: str) -> str:
    """The page with the text between its markers. Raises ValueError where a marker is missing."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"there is no {_BEGIN} ... {_END}")
    return f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}"


def main(pages: Sequence[Path] = PAGES, drawing: Path = CHART) -> int:
    results = shown_results(read_results(RESULTS))
    for page in pages:
        text = with_table(page.read_text(encoding="utf-8"), markdown_table(results))
        write_if_changed(page, text.encode())
    write_if_changed(drawing, chart(results).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
