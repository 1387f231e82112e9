"""`python -m benchmarks.layers`: instructions per multiply-accumulate of single layers on cores
without SIMD, as portable C, as the aot runtime chooses its kernels, and as ESP-NN has them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.network import Activations, Network
from benchmarks.results import BASELINE, FOLDER
from pipeline.analysis.analyze import analyze
from pipeline.aot.goal import PORTABLE, Goal
from pipeline.aot.lowering import lower
from pipeline.aot.program import Program
from pipeline.benchmark import benchmark
from pipeline.boards import Board, board
from pipeline.codegen.aot import render_aot
from pipeline.codegen.model_info import render_model_info
from pipeline.device import Device, open_link
from pipeline.firmware import build
from pipeline.graph import Shape
from pipeline.inputs import load_inputs, pack
from pipeline.store import sha256_hex, write_if_changed
from pipeline.tflite_reader import read_tflite
from pipeline.validate import validate

LAYER_RESULTS = FOLDER / "layers.json"
BOARDS = ("esp32c3_sim", "esp32_sim")
_VECTORS = 4
_EXIT_OUTPUTS_DIFFER = 4


def _layer(shape: Shape, add: Callable[[Network, Activations], Activations]) -> bytes:
    net = Network(shape, seed=1)
    return net.build(add(net, net.input))


# Shapes whose figures were published or measured before, on images of 16x16.
LAYERS: Mapping[str, Callable[[], bytes]] = {
    "1x1, 8 channels to 32": lambda: _layer((1, 16, 16, 8), lambda n, x: n.conv(x, 32, 1)),
    "1x1, 32 channels to 32": lambda: _layer((1, 16, 16, 32), lambda n, x: n.conv(x, 32, 1)),
    "1x1, 128 channels to 32": lambda: _layer((1, 16, 16, 128), lambda n, x: n.conv(x, 32, 1)),
    "3x3, 16 channels to 16": lambda: _layer((1, 16, 16, 16), lambda n, x: n.conv(x, 16, 3)),
    "depthwise 3x3, 64 channels": lambda: _layer((1, 16, 16, 64), lambda n, x: n.depthwise(x)),
    "dense, 128 to 64": lambda: _layer((1, 128), lambda n, x: n.dense(x, 64)),
}


@dataclass(frozen=True)
class LayerResult:
    """What one layer costs on one board, emulated; outputs were compared with TFLM's.

    Attributes:
        macs: multiply-accumulates.
        portable: instructions of the portable kernel.
        aot: instructions of the kernel chosen with --optimize latency.
        kernel: its name.
        identical: every output byte of both was TFLM's.
    """

    layer: str
    board: str
    macs: int
    portable: int
    aot: int
    kernel: str
    identical: bool


def measure_layer(layer: str, target: Board, folder: Path) -> LayerResult:
    """Builds and runs a layer twice.

    Raises:
        PipelineError: a tool is missing or fails.
    """
    model = LAYERS[layer]()
    graph = read_tflite(model)
    counts, identical = [], True
    for core in (PORTABLE, target.core):
        program = lower(graph, Goal(core, "latency"))
        count, same = _measure(model, program, target, folder / target.id / core)
        counts.append(count)
        identical = identical and same
    (kernel,) = program.kernels
    return LayerResult(layer, target.id, analyze(graph).macs or 0, *counts, kernel, identical)


def _measure(model: bytes, program: Program, target: Board, folder: Path) -> tuple[int, bool]:
    graph, sha256 = program.graph, sha256_hex(model)
    generated = folder / "generated"
    generated.mkdir(parents=True, exist_ok=True)
    for old in generated.iterdir():
        old.unlink()
    for name, text in (
        render_aot(program, "layer", sha256) | render_model_info(graph, "layer", sha256)
    ).items():
        (generated / name).write_text(text, encoding="utf-8")
    image = build(generated, target, "aot", folder)
    vectors = load_inputs(f"random:{_VECTORS}", graph)
    with Device(open_link(target, image.elf), model_sha256=sha256) as device:
        timed = benchmark(device, target.counter, pack(vectors[-1]), warmups=0, runs=1)
        same = validate(device, graph, model, vectors).identical
    (instructions,) = timed.step_instructions or (0,)
    return instructions, same


def read_layers(path: Path = LAYER_RESULTS) -> list[LayerResult]:
    """Raises OSError or ValueError where the file cannot be read."""
    return [LayerResult(**row) for row in json.loads(path.read_text(encoding="utf-8"))["layers"]]


def read_esp_nn(board_id: str) -> Mapping[str, Mapping[str, int]]:
    """Layer -> instructions of ESP-NN's "opt" and "ansi" functions on this board."""
    boards = json.loads(BASELINE.read_text(encoding="utf-8"))["boards"]
    layers: Mapping[str, Mapping[str, int]] = boards[board_id]["layers"]
    return layers


def layer_table(results: Sequence[LayerResult], board_id: str) -> tuple[list[str], list[list[str]]]:
    """Column titles and rows: instructions per multiply-accumulate on one board."""
    rows = []
    for row in results:
        if row.board == board_id:
            theirs = read_esp_nn(board_id)[row.layer]
            counts = (row.portable, theirs["ansi"], theirs["opt"], row.aot)
            rows.append([row.layer, *(f"{count / row.macs:.2f}" for count in counts)])
    return ["layer", "portable C", "ESP-NN ansi", "ESP-NN opt", "aot"], rows


def _write(path: Path, results: Iterable[LayerResult]) -> None:
    rows = ",\n".join("    " + json.dumps(dataclasses.asdict(row)) for row in results)
    write_if_changed(path, f'{{\n  "layers": [\n{rows}\n  ]\n}}\n'.encode())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__)
    parser.add_argument("--board", action="append", choices=BOARDS, help="default both")
    parser.add_argument("--write", action="store_true", help=f"put the rows into {LAYER_RESULTS}")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for board_id in options.board or BOARDS:
            for layer in LAYERS:
                results.append(measure_layer(layer, board(board_id), Path(folder)))
                row = results[-1]
                print(
                    f"{board_id}  {layer}: portable {row.portable / row.macs:.2f}, "
                    f"{row.kernel} {row.aot / row.macs:.2f}"
                    f"{'' if row.identical else '  DIFFERS from TFLM'}",
                    flush=True,
                )
    if options.write:
        old = read_layers() if LAYER_RESULTS.is_file() else []
        rows = {(row.board, row.layer): row for row in (*old, *results)}
        _write(LAYER_RESULTS, (rows[b, n] for b in BOARDS for n in LAYERS if (b, n) in rows))
    return 0 if all(row.identical for row in results) else _EXIT_OUTPUTS_DIFFER


if __name__ == "__main__":
    sys.exit(main())
