"""The options that commands of the command line share, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.target import Overrides

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Options:
    """The common options of one command."""

    overrides: Overrides
    output_dir: Path | None
    as_json: bool
    quiet: bool
    force: bool
    share: Path | None = None


class _Samples(click.ParamType[int | str]):
    name = "N|all"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> int | str:
        if value == "all":
            return "all"
        if str(value).isdigit() and 1 <= int(value) <= 10_000_000:
            return int(value)
        return self.fail(f"{value!r} is neither a number from 1 on nor 'all'", param, context)


class BoardId(click.ParamType[str]):
    """An id of `pipeline.boards`."""

    name = "ID"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        from pipeline.boards import board

        try:
            return board(str(value)).id
        except PipelineError as error:
            return self.fail(str(error), param, context)


def common_options(
    samples: bool = False, port: bool = False, fit: bool = False, share: bool = False
) -> Callable[[F], F]:
    """The options that all commands on a source have, as one `options`."""
    parameters = [
        click.option("--board", type=BoardId(), help="Board id (see `mcu-pipeline boards`)."),
        click.option("--runtime", type=click.Choice(["tflm", "aot"]), help="Inference runtime."),
        click.option(
            "--optimize",
            type=click.Choice(["balanced", "latency", "flash", "ram"]),
            help="What the aot runtime's code minimises; default balanced.",
        ),
        click.option(
            "--output-dir",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Run folder; default runs/<name>-<board>-<runtime>.",
        ),
        click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of all randomness."),
        click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout."),
        click.option("--quiet", is_flag=True, help="No progress on stderr."),
        click.option("--force", is_flag=True, help="Do it again although nothing has changed."),
    ]
    if samples:
        text = "Test images to send to the device."
        parameters.append(click.option("--samples", type=_Samples(), metavar="N|all", help=text))
    if share:
        text = "Take trainings that other runs left here, and leave this run's."
        folder = click.Path(file_okay=False, path_type=Path)
        parameters.append(click.option("--share", type=folder, metavar="DIR", help=text))
    if fit:
        text = "Size tflm's arena by what the device uses of it: builds and runs twice."
        parameters.append(click.option("--fit-arena", is_flag=True, help=text))
    if port:
        text = "A board's serial port; default auto, which looks for its USB id. Or a serial.log."
        parameters.append(
            click.option("--port", metavar="auto|PATH|socket://...|replay:LOG", help=text)
        )

    def decorate(command: F) -> F:
        def with_options(
            board: str | None,
            runtime: Any,
            optimize: Any,
            output_dir: Path | None,
            seed: int | None,
            as_json: bool,
            quiet: bool,
            force: bool,
            samples: Any = None,
            port: str | None = None,
            fit_arena: bool = False,
            share: Path | None = None,
            **others: Any,
        ) -> None:
            from pipeline.target import Overrides

            overrides = Overrides(board, runtime, seed, samples, optimize, port, fit_arena)
            options = Options(overrides, output_dir, as_json, quiet, force, share)
            command(options, **others)

        with_options.__name__ = command.__name__
        with_options.__doc__ = command.__doc__
        decorated: Any = with_options
        for parameter in reversed(parameters):
            decorated = parameter(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate
