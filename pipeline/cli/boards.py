"""The command `boards`."""

from __future__ import annotations

import click

from pipeline.cli.output import number, print_json


@click.command("boards")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def boards_command(as_json: bool) -> None:
    """List the boards and their runtimes."""
    from pipeline.boards import boards
    from pipeline.terminal import print_table

    if as_json:
        print_json(
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
            number(board.clock_mhz),
            number(board.flash_bytes),
            number(board.ram_bytes),
            ", ".join(board.runtime_ids),
            board.title,
        )
        for board in boards()
    ]
    columns = ("board", "kind", "core", "MHz", "flash bytes", "RAM bytes", "runtimes", "what it is")
    print_table(columns, rows, right=(3, 4, 5))
