"""`python -m benchmarks.study`: the compression study's page and drawing from committed results.

With `--collect FOLDER`, of a sweep of examples/compression_study.toml, finished or not, its results
are committed results first; `--bits MODEL=RUN` adds what `analyze RUN --bits` found.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.page import with_table
from benchmarks.results import FOLDER
from pipeline.codegen.templates import render_template
from pipeline.stages.bit_width import BIT_WIDTHS
from pipeline.store import write_if_changed
from pipeline.sweep.gain import HEADINGS, RULE, Gain, Trial, cells, gain_scatters, gains, grouped

RESULTS = FOLDER / "compression_study.json"
PAGE = FOLDER.parent / "docs" / "compression-study.md"
DRAWING = PAGE.with_suffix(".svg")
PLAN = FOLDER.parent / "examples" / "compression_study.toml"
KEPT = (
    "parameters",
    "accuracy",
    "accuracy_int8",
    "accuracy_on_device",
    "samples_on_device",
    "golden_identical",
    "instructions",
    "flash_bytes",
    "ram_bytes",
    "arena_bytes",
    "packed_bytes",
)
_WEIGHT_BITS, _ACTIVATION_BITS = ("2", "3", "4", "5"), ("3", "4", "5", "6")


def collected(folder: Path, bits: Mapping[str, Path]) -> dict[str, Any]:
    """What a sweep's database has."""
    from pipeline.sweep.page import trials_of
    from pipeline.sweep.plan import read_plan
    from pipeline.sweep.study import Study, default_storage

    plan = read_plan(PLAN)
    assert plan.axes is not None
    trials = trials_of(plan, Study(plan, default_storage(folder)).outcomes())
    return {
        "against": plan.axes.against,
        "trials": [
            {
                "places": trial.places,
                "repetition": trial.repetition,
                "result": trial.result and {key: trial.result[key] for key in KEPT},
                "error": trial.error,
            }
            for trial in trials
        ],
        "bits": {model: json.loads((run / BIT_WIDTHS).read_text()) for model, run in bits.items()},
    }


def write_results(values: Mapping[str, Any], path: Path = RESULTS) -> None:
    """A line a trial and a line a model's bit widths, for diffs."""
    trials = ",\n".join(json.dumps(trial) for trial in values["trials"])
    bits = ",\n".join(f"{json.dumps(m)}: {json.dumps(b)}" for m, b in values["bits"].items())
    against = json.dumps(values["against"])
    text = f'{{\n"against": {against},\n"trials": [\n{trials}\n],\n"bits": {{\n{bits}\n}}\n}}\n'
    write_if_changed(path, text.encode())


def read_results(path: Path = RESULTS) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def study_gains(values: Mapping[str, Any]) -> list[Gain]:
    """The rows of the tables."""
    return gains([Trial(**trial) for trial in values["trials"]], values["against"])


def sections(values: Mapping[str, Any]) -> dict[str, str]:
    """Name between the markers -> text."""
    rows = study_gains(values)
    texts = {f"study {group}": _table(places) for group, places in grouped(rows).items()}
    return {**texts, "study rule": RULE, "study bits": _bits_table(values["bits"])}


def _table(places: Sequence[Gain]) -> str:
    lines = [["", "technique", *HEADINGS, "verdict"]]
    lines.append(["---:", "---", *["---:"] * len(HEADINGS), "---"])
    lines += [[str(n), g.name, *cells(g), g.verdict] for n, g in enumerate(places, 1)]
    return _markdown(lines)


def _bits_table(bits: Mapping[str, Mapping[str, Any]]) -> str:
    columns = ["", "float", "8 bits of both", "deployed", "same class"]
    columns += [f"weights {n}" for n in _WEIGHT_BITS]
    columns += [f"activations {n}" for n in _ACTIVATION_BITS]
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    for model, found in bits.items():
        shares = [found["float_accuracy"], found["both"]["8"], found["deployed_accuracy"]]
        shares += [found["agreement"], *(found["weights"][n] for n in _WEIGHT_BITS)]
        shares += [found["activations"][n] for n in _ACTIVATION_BITS]
        lines.append([model, *(f"{100 * share:.2f} %" for share in shares)])
    return _markdown(lines)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def drawing(values: Mapping[str, Any]) -> str:
    """The SVG: int8 accuracy against instructions and flash, a row of two for each network."""
    return render_template("sweep.svg.j2", charts=gain_scatters(study_gains(values)))


def write_page(values: Mapping[str, Any], page: Path = PAGE, svg: Path = DRAWING) -> None:
    content = page.read_text(encoding="utf-8")
    for name, text in sections(values).items():
        content = with_table(content, name, text)
    write_if_changed(page, content.encode())
    write_if_changed(svg, drawing(values).encode())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("--collect", type=Path, metavar="FOLDER")
    parser.add_argument("--bits", action="append", default=[], metavar="MODEL=RUN")
    options = parser.parse_args()
    if options.collect is not None:
        runs = dict(pair.split("=", 1) for pair in options.bits)
        write_results(collected(options.collect, {m: Path(run) for m, run in runs.items()}))
    write_page(read_results())
    return 0


if __name__ == "__main__":
    sys.exit(main())
