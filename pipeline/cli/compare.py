"""The command `compare`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.output import print_json


@click.command("compare")
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
        print_json(rows)
        return
    columns, cells, numbers = table(rows)
    print_table(columns, cells, right=numbers)
