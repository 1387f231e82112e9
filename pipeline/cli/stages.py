"""The commands that bring stages up to date: `run`, and each stage alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import Options, common_options
from pipeline.cli.output import print_json
from pipeline.cli.sources import is_model, opened
from pipeline.errors import OutputsDifferError, PipelineError

if TYPE_CHECKING:
    from pipeline.stages.run import Run


_source = click.argument("source", type=click.Path(exists=True, path_type=Path))


@click.command("run")
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@common_options(samples=True, port=True, fit=True, share=True)
def run_command(options: Options, spec: Path) -> None:
    """Train, convert, build, flash a board, benchmark and report.

    SPEC (.toml) says what.
    """
    from pipeline import stages

    with opened(spec, options) as run:
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
    share: bool = False,
) -> click.Command:
    """A command that brings one stage up to date.

    Args:
        stages: names of the stages in `pipeline.stages`; the last one's result is shown.
        from_model: what is brought up to date instead where SOURCE is a .tflite, or the arena is
            fitted.
    """

    @_source
    @common_options(port=port, fit=fit, share=share)
    def command(options: Options, source: Path) -> None:
        from pipeline import stages as known

        with opened(source, options) as run:
            result: Mapping[str, Any] = {}
            whole = from_model and (is_model(source) or run.target.fit_arena)
            for stage in from_model if whole else stages:
                result = run.bring(getattr(known, stage))
            _show_result(result, run, options)

    command.__doc__ = help
    return click.command(name, help=help)(command)


@click.command("compress")
@_source
@common_options()
def compress_command(options: Options, source: Path) -> None:
    """Make a trained model smaller, as the spec says."""
    from pipeline import stages

    with opened(source, options) as run:
        if not run.target.experiment.compression:
            raise PipelineError(
                f"compress: {run.target.name} asks for no compression",
                "add a [[compression]] table to the spec",
            )
        results = [run.bring(stage) for stage in stages.COMPRESS]
        _show_result([result for result in results if result][-1], run, options)


@click.command("analyze")
@click.option("--memory", is_flag=True, help="Draw the arena over time (runtime aot).")
@click.option("--bits", is_flag=True, help="Accuracy with 2 to 16 bits of weights and activations.")
@click.option("--csv", "as_csv", is_flag=True, help="The layers as CSV on stdout.")
@_source
@common_options()
def analyze_command(options: Options, source: Path, memory: bool, bits: bool, as_csv: bool) -> None:
    """Show costs of layers, places in memory, or other bit widths."""
    from pipeline import stages
    from pipeline.analysis.layer_table import layer_csv

    with opened(source, options) as run:
        if memory:
            _show_memory(run, options)
            return
        if bits:
            _show_bits(run, options)
            return
        run.bring(stages.ANALYZE)
        values = stages.analysis_of(run)
    if options.as_json:
        print_json(values)
    elif as_csv:
        click.echo(layer_csv(values["layers"]), nl=False)
    else:
        _show_analysis(values)


@click.command("benchmark")
@_source
@common_options(samples=True, port=True, fit=True)
def benchmark_command(options: Options, source: Path) -> None:
    """Time a model on its device, compare with TFLM, and report."""
    from pipeline import stages

    with opened(source, options) as run:
        if is_model(source) or run.target.fit_arena:
            for stage in stages.FROM_MODEL[: stages.FROM_MODEL.index(stages.BENCHMARK)]:
                run.bring(stage)
        for stage in (stages.BENCHMARK, stages.EXAMINE, stages.REPORT):
            run.bring(stage)
        _show_report(run, options)


@click.command("validate")
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

    with opened(source, options) as run:
        if not is_model(source):
            run.require(stages.BENCHMARK)
        # Before a build, which takes longer than a refusal.
        vectors = stages.validation_inputs(run, inputs)
        if is_model(source):
            for stage in (stages.DOCTOR, stages.GENERATE, stages.BUILD):
                run.bring(stage)
        check = stages.check_inputs(run, vectors, per_layer)
    if save_outputs is not None:
        write_if_changed(save_outputs, outputs_npz(check.validation.outputs))
    if options.as_json:
        print_json(check.to_json())
    else:
        for line in check.lines():
            click.echo(line)
    check.validation.require_identical(
        None if per_layer else "--per-layer names the first layer that differs"
    )


@click.command("report")
@_source
@common_options()
def report_command(options: Options, source: Path) -> None:
    """Write report.json, report.md and report.html of a run anew."""
    from pipeline import stages

    with opened(source, options) as run:
        run.bring(stages.REPORT)
        _show_report(run, options)


def _show_report(run: Run, options: Options) -> None:
    """The report on stdout; then the error, where outputs differ."""
    from pipeline import stages
    from pipeline.terminal import print_table

    report = stages.read_report(run)
    if options.as_json:
        print_json(report.to_json())
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
    from pipeline.analysis.layer_table import layer_table, separable_table
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
        print_json({name: plan[name] for name in ("arena_bytes", "steps", "buffers")})
        return
    buffers = buffers_from_json(plan["buffers"])
    for line in memory_map(buffers, plan["arena_bytes"], plan["steps"]):
        click.echo(line)


def _show_bits(run: Run, options: Options) -> None:
    """Accuracies of a run that is trained and converted; report.html draws them from then on."""
    from pipeline import stages
    from pipeline.analysis.layer_table import bits_table, layer_bits_table
    from pipeline.terminal import print_table

    if not stages.BITS.applies(run.target):
        raise PipelineError(
            f"analyze: --bits is of post-training int8, and {run.target.name} is not",
            'name a run of a spec with [quantization] mode = "ptq"',
        )
    run.bring(stages.BITS)
    found = _read_json(run, stages.BIT_WIDTHS)
    if options.as_json:
        print_json(found)
        return
    for columns, cells, numbers in (bits_table(found), layer_bits_table(found)):
        print_table(columns, cells, right=numbers)
    click.echo(
        f"8 bits of both and the deployed model choose the same class for "
        f"{100 * found['agreement']:.2f} % of {found['samples']:,} images.\n"
        f"Drawn in report.html by: mcu-pipeline report {run.folder.shell_name}"
    )


def _show_result(result: Mapping[str, Any], run: Run, options: Options) -> None:
    if options.as_json:
        print_json({"run": str(run.folder.path), **result})


def _read_json(run: Run, artifact: str) -> Any:
    import json

    return json.loads(run.read(artifact))


COMMANDS: tuple[click.Command, ...] = (
    run_command,
    _stage_command("train", "Train the model of a spec.", ("TRAIN",), share=True),
    _stage_command(
        "convert",
        "Quantize to int8 and convert to .tflite.\n\nWith further training where the spec has it.",
        ("POST_TRAINING", "QUANTIZE_AWARE", "CONVERT"),
    ),
    _stage_command("generate", "Emit the C sources of a model.", ("GENERATE",)),
    _stage_command(
        "build",
        "Build the firmware.",
        ("DOCTOR", "BUILD"),
        ("DOCTOR", "FIT_ARENA", "GENERATE", "BUILD"),
        port=True,
        fit=True,
    ),
    _stage_command(
        "flash",
        "Write the built firmware into a connected board.",
        ("FLASH",),
        ("DOCTOR", "GENERATE", "BUILD", "FLASH"),
        port=True,
    ),
    compress_command,
    analyze_command,
    benchmark_command,
    validate_command,
    report_command,
)
