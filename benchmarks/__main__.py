"""`python -m benchmarks`: measures models and compares them with TFLM and with earlier results."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.measure import MeasurementError, Result, measure
from benchmarks.models import MODELS
from benchmarks.results import RESULTS, against_tflm, differences, read_results, table
from benchmarks.results import write_results as write
from pipeline.stages.build import program_version

_FOLDER = Path(tempfile.gettempdir()) / "mcu-pipeline-benchmarks"
_EXIT_FAILED, _EXIT_OUTPUTS_DIFFER = 1, 4


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        default=list(MODELS),
        help=f"{', '.join(MODELS)}, or a .tflite file; default all of the list",
    )
    parser.add_argument("--board", default="nano33ble_sim")
    parser.add_argument("--runtime", default="aot")
    parser.add_argument(
        "--optimize", default="balanced", choices=["balanced", "latency", "flash", "ram"]
    )
    parser.add_argument(
        "--folder", type=Path, default=_FOLDER, help="run folders; default %(default)s"
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="compared with; default %(default)s"
    )
    parser.add_argument("--write", action="store_true", help="put the rows into --results")
    return parser.parse_args()


def _tflite(model: str, folder: Path) -> Path:
    if model not in MODELS:
        return Path(model)
    path = folder / f"{model}.tflite"
    path.write_bytes(MODELS[model]())
    return path


def _print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = [
            line[0].ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True)),
        ]
        print("  ".join(cells))


def _measure_all(options: argparse.Namespace) -> tuple[list[Result], list[str]]:
    """Results, and the names of what failed."""
    options.folder.mkdir(parents=True, exist_ok=True)
    results, failed = [], []
    for model in options.models:
        name = Path(model).stem
        try:
            result = measure(
                name,
                _tflite(model, options.folder),
                options.folder,
                board=options.board,
                runtime=options.runtime,
                optimize=options.optimize,
            )
        except MeasurementError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            failed.append(name)
            continue
        results.append(result)
        verdict = "identical to TFLM" if result.identical else "DIFFERS from TFLM"
        sections = ", ".join(f"{k} {v:,}" for k, v in result.flash_sections.items())
        print(
            f"{name}: generated in {result.generate_s:.1f} s, image {sections}; {verdict}",
            file=sys.stderr,
            flush=True,
        )
    return results, failed


def _merged(old: Iterable[Result], new: Iterable[Result]) -> list[Result]:
    """Old rows with new ones in their place; the order of MODELS within a board."""
    rows = {(r.board, r.runtime, r.optimize, r.model): r for r in (*old, *new)}
    order = {name: i for i, name in enumerate(MODELS)}
    return sorted(
        rows.values(),
        key=lambda r: (r.board, r.runtime, r.optimize, order.get(r.model, len(order)), r.model),
    )


def main() -> int:
    options = _arguments()
    results, failed = _measure_all(options)
    if results:
        _print_table(*table(results, against_tflm))
    old = read_results(options.results) if options.results.is_file() else []
    for line in differences(results, old):
        print(line)
    if options.write:
        compilers = ("arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "xtensa-lx106-elf-gcc")
        versions = {
            name: text
            for name in (*compilers, "qemu-system-arm")
            if (text := program_version(name)) != "missing"
        }
        versions["tflite_micro"] = importlib.metadata.version("tflite_micro")
        write(options.results, _merged(old, results), versions)
    if any(not row.identical for row in results):
        return _EXIT_OUTPUTS_DIFFER
    return _EXIT_FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())
