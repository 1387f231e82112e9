"""The command `models`: which architectures there are, what they cost, and where they fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.output import print_json

if TYPE_CHECKING:
    from pipeline.analysis.model_costs import ModelCost
    from pipeline.models import Parameter

_BASIS = (
    "int8 and default parameters. Flash: code and constants of model and aot runtime on {board}; "
    "RAM: the arena. An application and the board's framework come on top; kernels of other cores "
    "differ."
)
_ACCOUNTING = (
    "For accounting only, never trained: flash holds the int8 constants alone, RAM inputs and "
    "outputs of the largest layer."
)


@click.command("models")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def models_command(name: str | None, as_json: bool) -> None:
    """List the architectures, or show the layers of one.

    NAME's parameters and layers are shown with their costs.
    """
    from pipeline.analysis.model_costs import costs

    if name is not None:
        _show_one(name, as_json)
    elif as_json:
        print_json([_json(cost) for cost in costs().values()])
    else:
        _show_all(costs())


def _show_all(costs: Mapping[str, ModelCost]) -> None:
    from pipeline.analysis.model_costs import BOARD
    from pipeline.terminal import print_table

    for title, size, trainable, basis in (
        ("model", "int8 bytes", True, _BASIS.format(board=BOARD)),
        ("for accounting", "weights", False, _ACCOUNTING),
    ):
        columns = ("input", "parameters", size, "MACs", "flash", "RAM", "fits", "what it is")
        rows = [
            (
                cost.name,
                _shape(cost.input_shape),
                f"{cost.parameters:,}",
                f"{cost.model_bytes or cost.weights:,}",
                f"{cost.macs:,}",
                f"{cost.flash_bytes:,}",
                f"{cost.ram_bytes:,}",
                _fits(cost),
                cost.summary,
            )
            for cost in costs.values()
            if cost.trainable == trainable
        ]
        print_table((title, *columns), rows, right=(2, 3, 4, 5, 6))
        click.echo(f"{basis}\n")


def _show_one(name: str, as_json: bool) -> None:
    from pipeline.analysis.layer_table import layer_table
    from pipeline.analysis.model_costs import costs
    from pipeline.errors import SpecError
    from pipeline.spec.near_miss import suggestion
    from pipeline.spec.toml_text import toml_value
    from pipeline.terminal import print_table

    cost = costs().get(name)
    if cost is None:
        raise SpecError(f'models: "{name}" is unknown', suggestion(name, costs()))
    if as_json:
        print_json({**_json(cost), "layers": cost.layers})
        return
    click.echo(f"{cost.name}: {cost.summary}\n")
    rows = [(p.name, toml_value(p.default), _help(p)) for p in _parameters(cost)]
    if rows:
        print_table(("parameter", "default", "what it is"), rows)
    totals = {"macs": cost.macs, "parameters": sum(layer["parameters"] for layer in cost.layers)}
    columns, cells, numbers = layer_table(cost.layers, totals)
    print_table(columns, cells, right=numbers)
    size = "" if cost.model_bytes is None else f"int8 file {cost.model_bytes:,} bytes, "
    click.echo(
        f"{cost.parameters:,} parameters on {_shape(cost.input_shape)}; {size}"
        f"flash {cost.flash_bytes:,} bytes, RAM {cost.ram_bytes:,} bytes; fits {_fits(cost)}"
    )


def _parameters(cost: ModelCost) -> tuple[Parameter, ...]:
    from pipeline.models import model

    return model(cost.name).parameter_list() if cost.trainable else ()


def _help(parameter: Parameter) -> str:
    choices = ", ".join(str(choice) for choice in parameter.choices)
    return f"{parameter.help} ({choices})" if choices else parameter.help


def _json(cost: ModelCost) -> dict[str, Any]:
    return {
        "name": cost.name,
        "summary": cost.summary,
        "trainable": cost.trainable,
        "parameters": {p.name: p.default for p in _parameters(cost)},
        "cost": {
            "input_shape": cost.input_shape,
            "parameters": cost.parameters,
            "weights": cost.weights,
            "macs": cost.macs,
            "model_bytes": cost.model_bytes,
            "flash_bytes": cost.flash_bytes,
            "ram_bytes": cost.ram_bytes,
            "fits": cost.fits(),
        },
    }


def _fits(cost: ModelCost) -> str:
    from pipeline.boards import boards

    chips = [board.id for board in boards() if board.flash_bytes is not None]
    fits = cost.fits()
    if fits == chips:
        return f"all {len(chips)}"
    return ", ".join(fits) or "none"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
