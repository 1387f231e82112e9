"""The command `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from pipeline.cli.output import print_json


@click.command("compare")
@click.argument(
    "runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(exists=True, path_type=Path)
)
@click.option("--json", "form", flag_value="json", help="As JSON.")
@click.option("--csv", "form", flag_value="csv", help="As CSV.")
@click.option("--markdown", "form", flag_value="markdown", help="The table in Markdown.")
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page with the table and accuracy against instructions, flash and RAM.",
)
def compare_command(
    runs: tuple[Path, ...],
    form: Literal["json", "csv", "markdown"] | None,
    html: Path | None,
) -> None:
    """Show the figures of several runs side by side.

    RUN is a run folder, or a report.json. Costs stand beside those of the first one. On the Pareto
    front is a run than which none of the same data set is better in accuracy or cost without being
    worse in the other.
    """
    from pipeline.report.compare import comparison, read_report, table
    from pipeline.report.comparison import (
        render_comparison_csv,
        render_comparison_html,
        render_comparison_markdown,
    )
    from pipeline.store import write_if_changed
    from pipeline.terminal import print_table

    rows = comparison([(str(run), read_report(run)) for run in runs])
    if html is not None:
        write_if_changed(html, render_comparison_html(rows).encode())
    if form == "json":
        print_json(rows)
    elif form == "csv":
        click.echo(render_comparison_csv(rows), nl=False)
    elif form == "markdown":
        click.echo(render_comparison_markdown(rows), nl=False)
    else:
        columns, cells, numbers = table(rows)
        print_table(columns, cells, right=numbers)
