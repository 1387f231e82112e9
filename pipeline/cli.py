"""The command line: arguments, messages and exit codes. Heavy imports wait for their command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline import __version__
from pipeline.cli_doctor import doctor_command
from pipeline.cli_export import export_command
from pipeline.cli_models import models_command
from pipeline.cli_monitor import monitor_command
from pipeline.cli_options import Options, common_options
from pipeline.errors import OutputsDifferError, PipelineError

if TYPE_CHECKING:
    from pipeline.run import Run
    from pipeline.target import Target

INTERRUPTED = 130

_EXIT_CODES = """
Exit codes: 0 done; 1 an error; 2 wrong usage; 3 does not fit the board; 4 outputs differ from TFLM.
"""


@click.group(epilog=_EXIT_CODES, context_settings={"max_content_width": 100})
@click.version_option(__version__, prog_name="mcu-pipeline")
def cli() -> None:
    """From a Keras model to a microcontroller and back to a latency report.

    SOURCE is a spec (.toml), the run folder of an earlier command, or any int8 .tflite file.
    """


_source = click.argument("source", type=click.Path(exists=True, path_type=Path))


@cli.command("run")
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common_options(samples=True, port=True, fit=True)
def run_command(options: Options, spec: Path) -> None:
    """Train, convert, build, flash a board, benchmark and report.

    SPEC (.toml) says what.
    """
    from pipeline import stages

    with _opened(spec, options) as run:
        for stage in stages.FROM_SPEC:
            if stage is stages.BENCHMARK and run.target.board.kind == "board":
                run.bring(stages.FLASH)
            run.bring(stage)
        _show_report(run, options)


def _stage_command(
    name: str,
    help: str,
    stages: Sequence[str],
    from_model: Sequence[str] = (),
    port: bool = False,
    fit: bool = False,
) -> None:
    """Adds a command that brings one stage up to date.

    Args:
        stages: names of the stages in `pipeline.stages`; the last one's result is shown.
        from_model: what is brought up to date instead where SOURCE is a .tflite, or the arena is
            fitted.
    """

    @_source
    @common_options(port=port, fit=fit)
    def command(options: Options, source: Path) -> None:
        from pipeline import stages as known

        with _opened(source, options) as run:
            result: Mapping[str, Any] = {}
            whole = from_model and (_is_model(source) or run.target.fit_arena)
            for stage in from_model if whole else stages:
                result = run.bring(getattr(known, stage))
            _show_result(result, run, options)

    command.__doc__ = help
    cli.command(name, help=help)(command)


_stage_command("train", "Train the model of a spec.", ("TRAIN",))


@cli.command("compress")
@_source
@common_options()
def compress_command(options: Options, source: Path) -> None:
    """Prune, factorize, cluster or distil a trained model, as the spec says."""
    from pipeline import stages

    with _opened(source, options) as run:
        if not run.target.experiment.compression:
            raise PipelineError(
                f"compress: {run.target.name} asks for no compression",
                "add a [[compression]] table to the spec",
            )
        results = [run.bring(stage) for stage in stages.COMPRESS]
        _show_result([result for result in results if result][-1], run, options)


_stage_command(
    "convert",
    "Quantize to int8 and convert to .tflite.\n\nWith further training where the spec has it.",
    ("POST_TRAINING", "QUANTIZE_AWARE", "CONVERT"),
)
_stage_command("generate", "Emit the C sources of a model.", ("GENERATE",))
_stage_command(
    "build",
    "Build the firmware.",
    ("DOCTOR", "BUILD"),
    ("DOCTOR", "FIT_ARENA", "GENERATE", "BUILD"),
    port=True,
    fit=True,
)
_stage_command(
    "flash",
    "Write the built firmware into a connected board.",
    ("FLASH",),
    ("DOCTOR", "GENERATE", "BUILD", "FLASH"),
    port=True,
)


@cli.command("analyze")
@click.option("--memory", is_flag=True, help="Draw the arena over time (runtime aot).")
@click.option("--csv", "as_csv", is_flag=True, help="The layers as CSV on stdout.")
@_source
@common_options()
def analyze_command(options: Options, source: Path, memory: bool, as_csv: bool) -> None:
    """Show what every layer costs, or where tensors lie in memory."""
    from pipeline import stages
    from pipeline.layer_table import layer_csv

    with _opened(source, options) as run:
        if memory:
            _show_memory(run, options)
            return
        run.bring(stages.ANALYZE)
        values = stages.analysis_of(run)
    if options.as_json:
        _print_json(values)
    elif as_csv:
        click.echo(layer_csv(values["layers"]), nl=False)
    else:
        _show_analysis(values)


@cli.command("benchmark")
@_source
@common_options(samples=True, port=True, fit=True)
def benchmark_command(options: Options, source: Path) -> None:
    """Time a model on its device, compare with TFLM, and report."""
    from pipeline import stages

    with _opened(source, options) as run:
        if _is_model(source) or run.target.fit_arena:
            for stage in stages.FROM_MODEL[: stages.FROM_MODEL.index(stages.BENCHMARK)]:
                run.bring(stage)
        for stage in (stages.BENCHMARK, stages.EXAMINE, stages.REPORT):
            run.bring(stage)
        _show_report(run, options)


@cli.command("validate")
@_source
@click.option(
    "--inputs",
    metavar="x.npy|x.npz|random:N|test:N",
    default="random:32",
    show_default=True,
    help="int8 inputs (N, ...), several as x0, x1, ... of an .npz; test:N are test images.",
)
@click.option(
    "--save-outputs",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="y.npz",
    help="Write the device's outputs as y0, y1, ...",
)
@click.option("--per-layer", is_flag=True, help="Name the first layer that differs.")
@common_options(port=True)
def validate_command(
    options: Options, source: Path, inputs: str, save_outputs: Path | None, per_layer: bool
) -> None:
    """Compare every output byte of the device with TFLM's."""
    from pipeline import stages
    from pipeline.inputs import outputs_npz
    from pipeline.store import write_if_changed

    with _opened(source, options) as run:
        if not _is_model(source):
            run.require(stages.BENCHMARK)
        # Before a build, which takes longer than a refusal.
        vectors = stages.validation_inputs(run, inputs)
        if _is_model(source):
            for stage in (stages.DOCTOR, stages.GENERATE, stages.BUILD):
                run.bring(stage)
        check = stages.check_inputs(run, vectors, per_layer)
    if save_outputs is not None:
        write_if_changed(save_outputs, outputs_npz(check.validation.outputs))
    if options.as_json:
        _print_json(check.to_json())
    else:
        for line in check.lines():
            click.echo(line)
    check.validation.require_identical(
        None if per_layer else "--per-layer names the first layer that differs"
    )


@cli.command("report")
@_source
@common_options()
def report_command(options: Options, source: Path) -> None:
    """Write report.json, report.md and report.html of a run anew."""
    from pipeline import stages

    with _opened(source, options) as run:
        run.bring(stages.REPORT)
        _show_report(run, options)


@cli.command("compare")
@click.argument(
    "runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(exists=True, path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def compare_command(runs: tuple[Path, ...], as_json: bool) -> None:
    """Show the figures of several runs side by side.

    RUN is a run folder, or a report.json. Costs stand beside those of the first one.
    """
    from pipeline.report.compare import comparison, table
    from pipeline.terminal import print_table

    rows = comparison(runs)
    if as_json:
        _print_json(rows)
        return
    columns, cells, numbers = table(rows)
    print_table(columns, cells, right=numbers)


cli.add_command(doctor_command)
cli.add_command(export_command)
cli.add_command(models_command)
cli.add_command(monitor_command)


@cli.command("sweep")
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option(
    "--storage",
    metavar="URL",
    help="Database (SQLAlchemy URL) that machines share; default a SQLite file in the folder.",
)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Default runs/sweep-<name>.",
)
@click.option("--retry", is_flag=True, help="Try failed settings again.")
@click.option("--json", "as_json", is_flag=True, help="The content of sweep.json on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def sweep_command(
    plan: Path,
    workers: int,
    storage: str | None,
    output_dir: Path | None,
    retry: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run an experiment with many settings; the same command goes on where it stopped."""
    from pipeline.sweep.command import run_sweep
    from pipeline.terminal import Terminal, print_table

    table, folder = run_sweep(plan, workers, storage, output_dir, retry, Terminal(quiet))
    if as_json:
        click.echo((folder / "sweep.json").read_text(), nl=False)
        return
    print_table(table.columns, [row.cells for row in table.rows], right=table.numbers)
    click.echo(f"{folder / 'sweep.html'} has the learning curves")


@cli.command("boards")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def boards_command(as_json: bool) -> None:
    """List the boards and their runtimes."""
    from pipeline.boards import boards
    from pipeline.terminal import print_table

    if as_json:
        _print_json(
            [
                {
                    "id": board.id,
                    "title": board.title,
                    "kind": board.kind,
                    "core": board.core,
                    "clock_mhz": board.clock_mhz,
                    "flash_bytes": board.flash_bytes,
                    "ram_bytes": board.ram_bytes,
                    "default_runtime": board.default_runtime,
                    "runtimes": list(board.runtime_ids),
                }
                for board in boards()
            ]
        )
        return
    rows = [
        (
            board.id,
            board.kind,
            board.core,
            _number(board.clock_mhz),
            _number(board.flash_bytes),
            _number(board.ram_bytes),
            ", ".join(board.runtime_ids),
            board.title,
        )
        for board in boards()
    ]
    columns = ("board", "kind", "core", "MHz", "flash bytes", "RAM bytes", "runtimes", "what it is")
    print_table(columns, rows, right=(3, 4, 5))


def _is_model(source: Path) -> bool:
    return source.is_file() and source.suffix != ".toml"


@contextmanager
def _opened(source: Path, options: Options) -> Iterator[Run]:
    """The run that SOURCE means, with its folder locked, and the model or spec in it."""
    from pipeline import target as targets
    from pipeline.run import Run
    from pipeline.spec import dump_spec
    from pipeline.store import canonical_key, open_run, sha256_hex
    from pipeline.terminal import Terminal

    target, folder = _resolve(source, options)
    content = targets.read_model(source) if _is_model(source) else None
    with open_run(folder) as artifacts:
        if target.spec is not None:
            artifacts.write(targets.SPEC, dump_spec(target.spec))
        elif content is not None:
            artifacts.write(targets.MODEL, content)
            artifacts.finish_stage(
                targets.IMPORT,
                canonical_key(sha256_hex(content)),
                (targets.MODEL,),
                result=targets.import_record(target),
            )
        yield Run(artifacts, target, Terminal(options.quiet), options.force)


def _resolve(source: Path, options: Options) -> tuple[Target, Path]:
    """Target and run folder."""
    from pipeline import target as targets

    if source.is_dir():
        if options.output_dir is not None and options.output_dir.resolve() != source.resolve():
            raise click.UsageError("a run folder is its own --output-dir")
        target, folder = targets.target_of_folder(source, options.overrides), source
    else:
        of_source = targets.target_of_spec if source.suffix == ".toml" else targets.target_of_model
        target = of_source(source, options.overrides)
        folder = options.output_dir or target.default_folder
    if options.overrides.fit_arena:
        from pipeline.arena_fit import require_fitting

        require_fitting(target)
        target = replace(target, fit_arena=True)
    return targets.reached_at(target, options.overrides.port), folder


def _show_report(run: Run, options: Options) -> None:
    """The report on stdout; then the error, where outputs differ."""
    from pipeline import stages
    from pipeline.terminal import print_table

    report = stages.read_report(run)
    if options.as_json:
        _print_json(report.to_json())
    else:
        from pipeline.report.text import cost_unit_of, step_rows, summary_rows

        print_table(("quantity", "value"), summary_rows(report))
        columns = ("op", "name", "output", "MACs", cost_unit_of(report) or "instructions")
        print_table(columns, step_rows(report), right=(0, 3, 4))
        click.echo(f"Artifacts are in {run.folder.path}")
    if report.golden.identical is False:
        raise OutputsDifferError(
            f"benchmark: outputs differ from TFLM's, see {run.folder.file(stages.REPORT_JSON)}",
            f"find the layer with: mcu-pipeline validate {run.folder.shell_name} "
            f"--inputs {stages.differing_inputs(run)} --per-layer",
        )


def _show_analysis(values: Mapping[str, Any]) -> None:
    from pipeline.layer_table import layer_table, separable_table
    from pipeline.terminal import print_table

    layers, pairs = values["layers"], values["separable"]
    totals = {key: value for key, value in values.items() if key not in ("layers", "separable")}
    columns, cells, numbers = layer_table(layers, totals)
    print_table(columns, cells, right=numbers)
    if any(layer["step"] not in (None, layer["index"]) for layer in layers):
        click.echo("Instructions of operators that are computed together stand at the first one.\n")
    if pairs:
        columns, cells, numbers = separable_table(pairs)
        print_table(columns, cells, right=numbers)
        click.echo(
            "MACs ratio: 1/Cout + 1/k^2. Estimates are the aot compiler's, without row fusion; "
            "counted is what the benchmark's emulator counted."
        )


def _show_memory(run: Run, options: Options) -> None:
    """The memory plan; the tflm runtime makes its own on the device."""
    from pipeline import stages
    from pipeline.report.details import buffers_from_json
    from pipeline.report.memory_map import memory_map

    if run.target.runtime != "aot":
        raise PipelineError("analyze: --memory shows the plan of the runtime aot, not of tflm")
    plan = run.bring(stages.GENERATE)
    if options.as_json:
        _print_json({name: plan[name] for name in ("arena_bytes", "steps", "buffers")})
        return
    buffers = buffers_from_json(plan["buffers"])
    for line in memory_map(buffers, plan["arena_bytes"], plan["steps"]):
        click.echo(line)


def _show_result(result: Mapping[str, Any], run: Run, options: Options) -> None:
    if options.as_json:
        _print_json({"run": str(run.folder.path), **result})


def _read_json(run: Run, artifact: str) -> Any:
    import json

    return json.loads(run.read(artifact))


def _print_json(value: Any) -> None:
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"


def main() -> None:
    """Entry point: errors become one line on stderr and an exit code."""
    # Who ends us by a signal wants what Ctrl-C does: no compiler, no emulator may go on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = cli.main(prog_name="mcu-pipeline", standalone_mode=False)
    except PipelineError as error:
        click.echo(f"Error: {error}", err=True)
        status = error.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; the same command continues where it stopped.", err=True)
        status = INTERRUPTED
    sys.exit(status)
