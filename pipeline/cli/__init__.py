"""The command line: arguments, messages and exit codes. Heavy imports wait for their command."""

from __future__ import annotations

import signal
import sys

import click

from pipeline import __version__
from pipeline.cli.boards import boards_command
from pipeline.cli.compare import compare_command
from pipeline.cli.doctor import doctor_command
from pipeline.cli.export import export_command
from pipeline.cli.models import models_command
from pipeline.cli.monitor import monitor_command
from pipeline.cli.search import search_command
from pipeline.cli.stages import COMMANDS
from pipeline.cli.sweep import sweep_command
from pipeline.errors import PipelineError

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


for command in (
    *COMMANDS,
    boards_command,
    compare_command,
    doctor_command,
    export_command,
    models_command,
    monitor_command,
    search_command,
    sweep_command,
):
    cli.add_command(command)


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
