"""The pipeline's stages called from Python: train, convert, compile, build, run on a device.

    .venv/bin/python examples/api.py FOLDER [--board host|nano33ble_sim] [--epochs N]

Every stage is a function from frozen dataclasses to a frozen dataclass; docs/api.md lists them.
"""

from __future__ import annotations

import io
from pathlib import Path

import click

from pipeline import boards, data
from pipeline.accuracy import host_score
from pipeline.analysis.analyze import analyze
from pipeline.aot.goal import Goal
from pipeline.aot.lowering import lower
from pipeline.codegen.aot import render_aot
from pipeline.codegen.model_info import render_model_info
from pipeline.convert import convert
from pipeline.deployment import Deployment, measure
from pipeline.firmware import build
from pipeline.spec import BenchmarkSpec, ModelSpec, QuantizationSpec, TrainingSpec
from pipeline.tflite_reader import read_tflite
from pipeline.training.train import train

NAME = "digits"


def run(folder: Path, board_id: str, epochs: int) -> Deployment:
    """All the way; what it writes lies in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    board = boards.board(board_id)
    goal = Goal(board.core)
    dataset = data.load("synthetic_digits")  # drawn, not downloaded

    model = ModelSpec("sepconv_mnist", {"first_filters": 4})
    training = TrainingSpec(epochs=epochs, batch_size=50, learning_rate=0.005, seed=1)
    trained = train(model, training, dataset, folder / "model.keras")
    click.echo(f"trained   {trained.history.parameters:,} parameters")

    tflite = convert(trained.path, dataset, QuantizationSpec(calibration_samples=100))
    graph = read_tflite(tflite.content)
    cost = analyze(graph)
    click.echo(f"converted {len(tflite.content):,} bytes, {cost.macs:,} MACs")
    accuracy = host_score(tflite.content, dataset)
    click.echo(f"int8      accuracy {accuracy.value:.4f} in TensorFlow Lite Micro on this computer")

    program = lower(graph, goal)
    sources = render_aot(program, NAME, tflite.sha256)
    sources |= render_model_info(graph, NAME, tflite.sha256)
    generated = folder / "generated"
    generated.mkdir(exist_ok=True)
    for name, text in sources.items():
        (generated / name).write_text(text)
    click.echo(f"compiled  {len(program.steps)} steps, arena {program.memory.arena_bytes:,} bytes")

    image = build(generated, board, "aot", folder / "build")
    deployment = measure(
        board,
        image.elf,
        tflite.content,
        BenchmarkSpec(runs=30, warmups=3, samples=100),
        runtime="aot",
        goal=goal,
        dataset=dataset,
        seed=0,
        log=io.BytesIO(),
        progress=lambda done, total: None,
    )
    validation = deployment.validation
    click.echo(
        f"device    {validation.compared} outputs, "
        f"{'all' if validation.identical else 'not all'} bytes TensorFlow Lite Micro's; "
        f"accuracy {deployment.score.value:.4f}"
    )
    for step in deployment.steps:
        cost_of = f"{step.us:.1f} us" if step.instructions is None else f"{step.instructions:,}"
        click.echo(f"  {step.op:40} {cost_of:>12}")
    return deployment


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--board", default="host", show_default=True)
@click.option("--epochs", default=3, show_default=True)
def main(folder: Path, board: str, epochs: int) -> None:
    """Trains on drawn digits and runs the result on a device, in FOLDER."""
    run(folder, board, epochs)


if __name__ == "__main__":
    main()
