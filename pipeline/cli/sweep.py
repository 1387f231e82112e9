"""The command `sweep`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("sweep")
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
    """Run an experiment with many settings.

    PLAN (.toml) says which. The same command goes on where it stopped.
    """
    from pipeline.sweep.command import run_sweep
    from pipeline.terminal import Terminal, print_table

    table, folder = run_sweep(plan, workers, storage, output_dir, retry, Terminal(quiet))
    if as_json:
        click.echo((folder / "sweep.json").read_text(), nl=False)
        return
    if table.gains:
        from pipeline.sweep.gain import HEADINGS, cells

        rows = [(gain.group, gain.name, *cells(gain), gain.verdict) for gain in table.gains]
        columns = ("group", "setting", *HEADINGS, "verdict")
        print_table(columns, rows, right=range(2, 2 + len(HEADINGS)))
        click.echo(f"{folder / 'sweep.html'} has the drawings")
        return
    print_table(table.columns, [row.cells for row in table.rows], right=table.numbers)
    click.echo(f"{folder / 'sweep.html'} has the learning curves")
