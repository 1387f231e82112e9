"""The command `export`: a model as a package for other people's projects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from pipeline.cli.options import BoardId
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.boards import Board
    from pipeline.export.formats import FormatName
    from pipeline.export.package import Exported
    from pipeline.target import Overrides, Target

_FORMATS = ("arduino", "espidf", "platformio", "cmake", "c")  # as pipeline.export.formats has them


@click.command("export")
@click.argument("source", metavar="MODEL", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format", "name", type=click.Choice(_FORMATS), required=True, help="Of the package."
)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    required=True,
    help="The package's folder: new, empty, or of an earlier export.",
)
@click.option("--zip", "as_zip", is_flag=True, help="Write DIR.zip too.")
@click.option(
    "--board",
    type=BoardId(),
    help="Whose core the kernels are made for; default any core for c and cmake, else the run's.",
)
@click.option("--runtime", type=click.Choice(["tflm", "aot"]), help="Default aot.")
@click.option(
    "--optimize",
    type=click.Choice(["balanced", "latency", "flash", "ram"]),
    help="What the aot runtime's code minimises; default balanced.",
)
@click.option("--json", "as_json", is_flag=True, help="What was written as JSON on stdout.")
def export_command(
    source: Path,
    name: str,
    output_dir: Path,
    as_zip: bool,
    board: str | None,
    runtime: Any,
    optimize: Any,
    as_json: bool,
) -> None:
    """Write a model as a package for a project of your own.

    With the kernels it calls and an example.

    MODEL is a .tflite, a run folder, or a spec whose run has a model.
    """
    from dataclasses import asdict

    from pipeline.export.footprint import footprint
    from pipeline.export.formats import format_named
    from pipeline.export.package import make_package, with_readme
    from pipeline.export.write import recorded, require_replaceable, write_archive, write_package
    from pipeline.target import Overrides

    chosen = cast("FormatName", name)
    exported = _exported(source, chosen, Overrides(board, runtime, optimize=optimize))
    package = make_package(exported, chosen)
    size = footprint(package.files, format_named(chosen).sources, exported.board.core)
    package = with_readme(package, exported, chosen, **({} if size is None else asdict(size)))
    files = recorded(package.files, {"format": name, "board": exported.board.id, **package.facts})
    folder = output_dir.resolve()
    archive = folder.with_name(f"{folder.name}.zip")
    if as_zip:
        require_replaceable(archive)
    write_package(folder, files)
    if as_zip:
        write_archive(archive, folder.name, files)
    if as_json:
        written = {"folder": str(output_dir), "zip": str(archive) if as_zip else None}
        click.echo(json.dumps({**written, **json.loads(files["export.json"])}, indent=2))
        return
    also = f" and {archive}" if as_zip else ""
    click.echo(f"{len(files)} files in {output_dir}{also}; begin with its README.md")


def _exported(source: Path, name: FormatName, overrides: Overrides) -> Exported:
    from pipeline.export.package import Exported
    from pipeline.target import read_model
    from pipeline.tflite_reader import read_tflite

    target, model = _resolve(source, name, overrides)
    if not model.is_file():
        raise PipelineError(
            f"export: {source} has no model yet", f"make it with: mcu-pipeline run {source}"
        )
    content = read_model(model)
    graph = read_tflite(content, str(model))
    return Exported(
        target.name,
        content,
        graph,
        target.board,
        target.runtime,
        target.goal,
        _golden(content, graph),
    )


def _resolve(source: Path, name: FormatName, overrides: Overrides) -> tuple[Target, Path]:
    """What is exported for which board, and where its model lies."""
    from dataclasses import replace

    from pipeline import target as targets
    from pipeline.export.formats import format_named

    chosen = format_named(name)
    of_run: Target | None = None
    if source.is_dir():
        of_run = targets.target_of_folder(source, targets.Overrides())
        model = source / targets.MODEL
    elif source.suffix == ".toml":
        of_run = targets.target_of_spec(source, targets.Overrides())
        model = of_run.default_folder / targets.MODEL
    else:
        model = source
    board = overrides.board or chosen.board
    if overrides.board is None and of_run is not None and chosen.board_of_run:
        board = _real_board(of_run.board, chosen.cores) or board
    runtime = overrides.runtime or "aot"
    target = targets.target_of_board(replace(overrides, board=board, runtime=runtime))
    if of_run is not None:
        optimize = overrides.optimize or of_run.optimize
        return replace(target, name=of_run.name, optimize=optimize), model
    return replace(target, name=targets.model_name(source)), model


def _real_board(board: Board, cores: tuple[str, ...]) -> str | None:
    """Id of the board, or of a real one with its core; None where there is none of these cores."""
    from pipeline.boards import boards

    if cores and not board.core.startswith(cores):
        return None
    if board.kind == "board":
        return board.id
    return next((b.id for b in boards() if b.kind == "board" and b.core == board.core), None)


def _golden(content: bytes, graph: Any) -> tuple[bytes, bytes] | None:
    """A random input with TFLM's outputs; None where TFLM's interpreter is not installed."""
    from importlib.util import find_spec

    from pipeline.golden import golden_outputs
    from pipeline.inputs import load_inputs, pack

    if find_spec("tflite_micro") is None:
        return None
    inputs = load_inputs("random:3", graph)[-1:]
    (outputs,) = golden_outputs(content, inputs)
    return pack(inputs[0]), pack(outputs)
