"""A sweep's axes: named settings that are combined, and repetitions whose means are told."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pipeline.errors import SpecError
from pipeline.spec.near_miss import suggestion
from pipeline.spec.toml_text import toml_value

Settings: TypeAlias = Mapping[str, Any]

_NAME, _AGAINST = "name", "against"  # keys of an axis's tables that are no fields of the spec


@dataclass(frozen=True)
class Axes:
    """Where the settings of a sweep stand.

    Attributes:
        places: for every setting the axes and the name of its place on each ({"model":
            "conv_mnist", "technique": "QAT"}): settings with the same places are repetitions of
            one experiment.
        repeated: the fields by which repetitions differ.
        against: name on the last axis -> the name on it that it is held against, where that is not
            the first one.
    """

    places: tuple[Mapping[str, str], ...]
    repeated: tuple[str, ...]
    against: Mapping[str, str]

    def repetition(self, settings: Settings) -> Settings:
        """Which one a setting is."""
        return {field: settings[field] for field in self.repeated}


def on_axes(path: Path, document: Mapping[str, Any]) -> tuple[tuple[Settings, ...], Axes]:
    """All settings of a sweep's file: repetitions outermost, then the axes in the file's order.

    Args:
        path: of the file, for messages.
        document: has "axis".

    Raises:
        SpecError: what is wrong.
    """
    repeat, axes = lists_of(path, document, "repeat"), document["axis"]
    _check(path, axes)
    settings, places = [], []
    tables = list(itertools.product(*axes.values()))
    for *repetition, on_each in itertools.product(*repeat.values(), tables):
        fields = dict(zip(repeat, repetition, strict=True))
        for table in on_each:
            fields |= {k: value for k, value in table.items() if k not in (_NAME, _AGAINST)}
        settings.append(fields)
        names = [table[_NAME] for table in on_each]
        places.append(dict(zip(axes, names, strict=True)))
    *_, last = axes.values()
    against = {table[_NAME]: table[_AGAINST] for table in last if _AGAINST in table}
    return tuple(settings), Axes(tuple(places), tuple(repeat), against)


def _check(path: Path, axes: Any) -> None:
    if not isinstance(axes, dict) or not axes:
        raise SpecError(f"{path}: axis must be tables: [[axis.NAME]]")
    *_, last = axes
    for axis, tables in axes.items():
        title = f"{path}: [[axis.{axis}]]"
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise SpecError(f"{title} must be tables")
        names = [table.get(_NAME) for table in tables]
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise SpecError(f"{title} tables need a name each, of their own")
        for table in tables:
            if _AGAINST in table and axis != last:
                raise SpecError(f"{title} {table[_NAME]}: against is for the last axis, {last}")
            if table.get(_AGAINST, names[0]) not in names:
                message = f"{title} {table[_NAME]}: against is {toml_value(table[_AGAINST])}"
                raise SpecError(message, suggestion(str(table[_AGAINST]), names))


def lists_of(path: Path, document: Mapping[str, Any], title: str) -> Mapping[str, list[Any]]:
    """A table of lists, one a field. Raises SpecError where it is another."""
    lists = document.get(title, {})
    if not isinstance(lists, dict):
        raise SpecError(f"{path}: {title} must be a table of lists: [{title}]")
    for field, values in lists.items():
        if not isinstance(values, list) or not values:
            raise SpecError(f"{path}: [{title}] {field} must be a list of values")
    return lists
