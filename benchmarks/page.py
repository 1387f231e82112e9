"""`python -m benchmarks.page`: the documents' table and chart from the committed results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import jinja2

from benchmarks.layers import BOARDS as LAYER_BOARDS
from benchmarks.layers import layer_table, read_layers
from benchmarks.measure import Result
from benchmarks.results import (
    FOLDER,
    RESULTS,
    against_tflm,
    ratio,
    ratio_means,
    read_baseline,
    read_results,
    short,
    table,
)
from pipeline.boards import InstructionCosts, board
from pipeline.store import write_if_changed

PAGES = (FOLDER.parent / "docs" / "benchmarks.md", FOLDER.parent / "README.md")
CHART = FOLDER.parent / "docs" / "benchmarks.svg"
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


def networks_table(results: Sequence[Result]) -> str:
    """Every cell is "TFLM's -> ours"."""
    return _markdown(*table(results, against_tflm))


def esp_nn_table(results: Sequence[Result]) -> str:
    """The networks on the ESP32-C3's core: ESP-NN's instructions (a lower bound) and ours."""
    ours = [row for row in results if (row.board, row.optimize) == ("esp32c3_sim", _OPTIMIZE)]
    rows = []
    for row in ours:
        share = ratio(row, "instructions")
        counts = against_tflm(row, "instructions")
        rows.append([row.model, counts, "-" if share is None else f"{share:.2f}x"])
    mean = ratio_means(ours)["instructions"]
    rows.append(["geometric mean", "", f"{mean:.2f}x"])
    return _markdown(["model", "M instructions, ESP-NN -> aot", "ratio"], rows)


def milliseconds_table(results: Sequence[Result], board_id: str) -> str:
    """Our estimate for the board beside what was measured of TFLM with ESP-NN on one."""
    ours = [row for row in results if (row.board, row.optimize) == (board_id, _OPTIMIZE)]
    measured = read_baseline(board_id)
    rows = []
    for row in ours:
        counts = [short(name, getattr(row, name)) for name in ("instructions", "estimated_cycles")]
        milliseconds = f"{board(board_id).estimated_ms(row.estimated_cycles):.3g}"
        theirs = measured.get(row.model, {}).get("measured_ms")
        last = "-" if theirs is None else str(theirs)
        rows.append([row.model, *counts, _share_of_flash(row), milliseconds, last])
    columns = ["model", "M instructions", "M cycles", "of them flash misses"]
    return _markdown([*columns, "aot, estimated ms", "TFLM with ESP-NN, measured ms"], rows)


def _share_of_flash(row: Result) -> str:
    """What the misses of the flash cache are of the cycles; "-" where they are not counted."""
    estimate = board(row.board).estimate
    if estimate is None or row.instructions is None or row.estimated_cycles is None:
        return "-"
    method = estimate.method
    if not isinstance(method, InstructionCosts) or method.cache is None:
        return "-"
    return f"{100 - 100 * method.cycles(row.instructions, 0) / row.estimated_cycles:.0f} %"


def sections() -> dict[str, str]:
    """Name between the markers -> text."""
    results, layers = read_results(RESULTS), read_layers()
    return {
        "benchmarks": networks_table(shown_results(results)),
        "esp-nn": esp_nn_table(results),
        **{f"layers {b}": _markdown(*layer_table(layers, b)) for b in LAYER_BOARDS},
        **{f"milliseconds {b}": milliseconds_table(results, b) for b in LAYER_BOARDS},
    }


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
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


def with_table(page: str, name: str, text: str) -> str:
    """The page with the text between the section's markers, unchanged where it has none.

    Raises:
        ValueError: the end's marker is missing.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, begins, rest = page.partition(begin)
    if not begins:
        return page
    _, ends, after = rest.partition(end)
    if not ends:
        raise ValueError(f"there is no {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def main(pages: Sequence[Path] = PAGES, drawing: Path = CHART) -> int:
    results = shown_results(read_results(RESULTS))
    for page in pages:
        content = page.read_text(encoding="utf-8")
        for name, text in sections().items():
            content = with_table(content, name, text)
        write_if_changed(page, content.encode())
    write_if_changed(drawing, chart(results).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
