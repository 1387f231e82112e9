"""What the value of a spec's key may be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, get_args

ParameterValue: TypeAlias = bool | int | float | str | tuple[Any, ...]

MAX_SEED = 2**32 - 1  # numpy's legacy generators, which Keras seeds, take 32 bits
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class Rule:
    """What a key's value may be.

    Attributes:
        wanted: completes "epochs must be ...".
        accepts: whether a value as tomllib gives it will do.
        convert: makes the field's value of it.
        choices: the valid names, where they are few.
    """

    wanted: str
    accepts: Callable[[Any], bool]
    convert: Callable[[Any], Any] = lambda value: value
    choices: tuple[str, ...] = ()


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def integer(low: int, high: int) -> Rule:
    return Rule(
        f"an integer from {low} to {high}",
        lambda value: _is_integer(value) and low <= value <= high,
    )


def number(low: float, high: float) -> Rule:
    return Rule(
        f"a number from {low:g} to {high:g}",
        lambda value: (_is_integer(value) or isinstance(value, float)) and low <= value <= high,
        float,
    )


def choice(literal: Any) -> Rule:
    names: tuple[str, ...] = get_args(literal)
    listed = " or ".join(f'"{name}"' for name in names)
    return Rule(listed, lambda value: value in names, choices=names)


TEXT = Rule("a text that is not empty", lambda value: isinstance(value, str) and value != "")
FOLDER_NAME = Rule(
    "letters, digits and _ . + - (it names the run's folder)",
    lambda value: isinstance(value, str) and _NAME.fullmatch(value) is not None,
)
SWITCH = Rule("true or false", lambda value: isinstance(value, bool))
IMAGE_SIZE = Rule(
    "[height, width] in pixels, each from 1 to 4096",
    lambda value: (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(_is_integer(side) and 1 <= side <= 4096 for side in value)
    ),
    tuple,
)
LEARNING_RATE = Rule(
    "a number above 0 and at most 1000",
    lambda value: (_is_integer(value) or isinstance(value, float)) and 0 < value <= 1000,
    float,
)
SAMPLES = Rule(
    'an integer from 1 to 10000000, or "all"',
    lambda value: value == "all" or (_is_integer(value) and 1 <= value <= 10_000_000),
    choices=("all",),
)


def _is_parameter(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_parameter(item) for item in value)
    return isinstance(value, bool | int | str) or (
        isinstance(value, float) and math.isfinite(value)
    )


def _frozen(value: Any) -> ParameterValue:
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    return cast(ParameterValue, value)


PARAMETERS = Rule(
    "a table of finite numbers, texts, switches or lists of these",
    lambda value: isinstance(value, dict) and all(map(_is_parameter, value.values())),
    lambda value: {key: _frozen(item) for key, item in value.items()},
)
