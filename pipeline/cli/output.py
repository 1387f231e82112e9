"""How commands write values."""

from __future__ import annotations

import json
from typing import Any

import click


def print_json(value: Any) -> None:
    """On stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def number(value: float | None) -> str:
    """With thousands apart; "-" for what is not known."""
    return "-" if value is None else f"{value:,}"
