"""The command `search`."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import BoardId


@click.command("search")
@click.argument("spec", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--board", type=BoardId(), help="An emulated board (see `mcu-pipeline boards`).")
@click.option("--max-instructions", type=click.IntRange(min=1), metavar="N")
@click.option(
    "--max-latency-ms",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="Estimated for the real board.",
)
@click.option("--max-ram", type=click.IntRange(min=1), metavar="BYTES")
@click.option("--max-flash", type=click.IntRange(min=1), metavar="BYTES")
@click.option(
    "--min-receptive-field",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Of the convolutions; no cut may leave less.",
)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Default runs/search-<name>-<board>.",
)
@click.option("--json", "as_json", is_flag=True, help="The content of search.json on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def search_command(
    spec: Path,
    board: str | None,
    max_instructions: int | None,
    max_latency_ms: float | None,
    max_ram: int | None,
    max_flash: int | None,
    min_receptive_field: int | None,
    output_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Shrink a network until it meets a budget.

    SPEC (.toml) says with which network the search begins. The same command goes on where it
    stopped.
    """
    from pipeline.search.budget import Budget
    from pipeline.search.command import run_search
    from pipeline.search.page import HTML, JSON, RUN_COLUMNS, mac_lines, run_cells
    from pipeline.target import Overrides, target_of_spec
    from pipeline.terminal import Terminal, print_table

    if max_instructions is not None and max_latency_ms is not None:
        raise click.UsageError("give --max-instructions or --max-latency-ms, not both")
    budget = Budget(max_instructions, max_latency_ms, max_ram, max_flash, min_receptive_field)
    target = target_of_spec(spec, Overrides(board=board))
    state, folder = run_search(target, budget, output_dir, Terminal(quiet))
    if as_json:
        click.echo((folder / JSON).read_text(), nl=False)
        return
    print_table(RUN_COLUMNS, map(run_cells, state.runs), right=range(1, len(RUN_COLUMNS)))
    for line in mac_lines(state.macs):
        click.echo(line)
    click.echo(
        f"{folder / HTML} has the trade-off curve; run folders are in {folder / 'candidates'}"
    )
