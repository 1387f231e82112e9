"""TOML -> frozen SweepPlan: which settings are tried, and how far each goes."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pipeline.errors import SpecError
from pipeline.spec import ExperimentSpec, KnownNames, parse_spec
from pipeline.spec.near_miss import suggestion
from pipeline.spec.toml_text import toml_table, toml_value
from pipeline.sweep.axes import Axes, Settings, lists_of, on_axes

Until = Literal["train", "run"]
Sampler = Literal["tpe", "random"]
METRICS: Mapping[str, Literal["maximize", "minimize"]] = {
    "accuracy": "maximize",
    "accuracy_int8": "maximize",
    "instructions": "minimize",
    "flash_bytes": "minimize",
    "ram_bytes": "minimize",
}
"""What a sampled sweep can look for, and which way is better; "accuracy" is float32's."""

_KEYS = ("name", "base", "until", "values", "settings", "sampled", "repeat", "axis")
_SAMPLED_KEYS = ("trials", "sampler", "metric", "seed", "space")
_MOST_SETTINGS = 10_000


@dataclass(frozen=True)
class Range:
    """Values of a field that a sampler chooses among.

    Attributes:
        low, high: ends of a range, both included; integers give integers.
        log: whether the logarithm is uniform.
        choices: values instead of a range.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Sampled:
    """[sampled]: how many settings are drawn, and from where."""

    trials: int
    space: Mapping[str, Range]
    sampler: Sampler = "tpe"
    metric: str = "accuracy"
    seed: int = 0


@dataclass(frozen=True)
class SweepPlan:
    """A sweep.

    Attributes:
        base: text of the spec that every setting changes, and `base_path`, where it stands.
        until: last command of every trial: "train", or "run" for all stages.
        settings: field of the spec ("training.epochs") -> value; empty with `sampled`.
        axes: where the settings stand on axes; None without.
    """

    name: str
    base: str
    base_path: Path
    until: Until
    settings: tuple[Settings, ...]
    sampled: Sampled | None
    axes: Axes | None = None


def read_plan(path: Path, known: KnownNames | None = None) -> SweepPlan:
    """A sweep's file. Every setting in it makes a valid spec.

    `base` names a spec, from the file's folder. [values] gives lists: all combinations are tried.
    Each [[settings]] table is combined with all of these. [sampled] draws values instead.

    [[axis.NAME]] tables, each with a `name` of its own, are combined with those of the other axes
    and with [repeat], lists like [values], over which the table takes means. Repetitions come
    first: all settings of the first one are worked on before any of the second. A place on the last
    axis may name another there that it is held `against`.

    Raises:
        SpecError: what is wrong, with the file and, for a setting, its number and its values.
    """
    document = _document(path)
    base_path = path.absolute().parent / str(document.get("base", ""))
    try:
        base = base_path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: base: {base_path} cannot be read: {error}") from error
    until = document.get("until", "train")
    if until not in get_args(Until):
        raise SpecError(f'{path}: until must be "train" or "run", it is {toml_value(until)}')
    sampled = _sampled(path, document["sampled"]) if "sampled" in document else None
    axes: Axes | None = None
    settings: tuple[Settings, ...] = ()
    if "axis" in document:
        settings, axes = on_axes(path, document)
        _require_few(path, settings)
    elif sampled is None:
        settings = _settings(path, document)
    plan = SweepPlan(
        str(document.get("name", path.stem)),
        base,
        base_path,
        until,
        settings,
        sampled,
        axes,
    )
    for number, one in enumerate(plan.settings, 1):
        _require_valid(path, f"setting {number}", plan, one, known)
    if sampled:
        lowest = {field: _lowest(values) for field, values in sampled.space.items()}
        _require_valid(path, "[sampled] space", plan, lowest, known)
    return plan


def spec_of(plan: SweepPlan, settings: Settings, known: KnownNames | None = None) -> ExperimentSpec:
    """The base with the settings in it. Raises SpecError where that is no valid spec.

    A setting of model.name drops the base's model parameters, which were another model's.
    """
    values = tomllib.loads(plan.base)
    if "model.name" in settings:
        values.get("model", {}).pop("parameters", None)
    for field, value in settings.items():
        *tables, key = field.split(".")
        table = values
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise SpecError(f'{plan.base_path}: "{field}": {name} is no table')
        table[key] = value
    values["name"] = plan.name
    return parse_spec(_toml(values), plan.base_path, known)


def title(plan: SweepPlan, settings: Settings) -> str:
    """A setting on one line: its places on the axes and its repetition, or all its fields."""
    if plan.axes is None:
        return label(settings)
    place = plan.axes.places[[dict(planned) for planned in plan.settings].index(dict(settings))]
    repetition = plan.axes.repetition(settings)
    return ", ".join([*place.values(), *([label(repetition)] if repetition else [])])


def label(settings: Settings) -> str:
    """The settings on one line: "epochs 5, learning_rate 0.001"."""
    return ", ".join(
        f"{field.rsplit('.', 1)[-1]} {value:g}"
        if isinstance(value, float)
        else (str(value) if field == "model.name" else f"{field.rsplit('.', 1)[-1]} {value}")
        for field, value in settings.items()
    )


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"{path}: no sweep: {error}") from error
    for key in document:
        if key not in _KEYS:
            raise SpecError(f'{path}: unknown key "{key}"', suggestion(key, _KEYS))
    if not isinstance(document.get("base"), str):
        raise SpecError(f'{path}: base is missing: the spec to begin from, base = "spec.toml"')
    ways = ({"sampled"}, {"values", "settings"}, {"axis", "repeat"})
    if sum(bool(way & set(document)) for way in ways) != 1:
        raise SpecError(f"{path}: either [sampled], or [values] and [[settings]], or [[axis.NAME]]")
    if "repeat" in document and "axis" not in document:
        raise SpecError(f"{path}: [repeat] is for [[axis.NAME]]: use [values] without")
    return document


def _require_few(path: Path, settings: Sequence[Settings]) -> None:
    if len(settings) > _MOST_SETTINGS:
        raise SpecError(f"{path}: {len(settings)} settings, at most {_MOST_SETTINGS} are taken")


def _settings(path: Path, document: Mapping[str, Any]) -> tuple[Settings, ...]:
    lists = lists_of(path, document, "values")
    given = document.get("settings", [{}])
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise SpecError(f"{path}: settings must be tables: [[settings]]")
    combined = [
        {**dict(zip(lists, combination, strict=True)), **one}
        for one in given
        for combination in itertools.product(*lists.values())
    ]
    _require_few(path, combined)
    return tuple(combined)


def _sampled(path: Path, table: Any) -> Sampled:
    def require(condition: bool, message: str, remedy: str | None = None) -> None:
        if not condition:
            raise SpecError(f"{path}: [sampled] {message}", remedy)

    require(isinstance(table, dict), "must be a table")
    for key in table:
        require(key in _SAMPLED_KEYS, f'unknown key "{key}"', suggestion(key, _SAMPLED_KEYS))
    trials, space = table.get("trials"), table.get("space")
    require(isinstance(trials, int) and trials > 0, "trials must be a number from 1 on")
    require(isinstance(space, dict) and bool(space), "space must be a table of ranges")
    metric, sampler = table.get("metric", "accuracy"), table.get("sampler", "tpe")
    known = isinstance(metric, str) and metric in METRICS
    require(known, f"metric is {toml_value(metric)}", suggestion(str(metric), METRICS))
    require(sampler in get_args(Sampler), 'sampler must be "tpe" or "random"')
    seed = table.get("seed", 0)
    require(isinstance(seed, int) and seed >= 0, "seed must be a number from 0 on")
    ranges = {field: _range(field, value, require) for field, value in space.items()}
    return Sampled(trials, ranges, sampler, metric, seed)


def _range(field: str, value: Any, require: Callable[..., None]) -> Range:
    """{low = 1, high = 8}, {low = 1e-4, high = 1.0, log = true}, or {choices = [...]}."""
    require(isinstance(value, dict), f"space {field} must be a table: {{low = ..., high = ...}}")
    choices = value.get("choices")
    if choices is not None:
        require(isinstance(choices, list) and bool(choices), f"space {field} choices: a list")
        return Range(choices=tuple(choices))
    low, high, log = value.get("low"), value.get("high"), value.get("log", False)
    numbers = all(isinstance(end, int | float) for end in (low, high))
    require(numbers and low <= high, f"space {field} needs low and high, numbers in that order")
    require(not log or low > 0, f"space {field} with log needs low above 0")
    return Range(low, high, bool(log))


def _lowest(values: Range) -> Any:
    """One of the values, which stands for all where a field is looked at."""
    return values.choices[0] if values.choices else values.low


def _require_valid(
    path: Path, title: str, plan: SweepPlan, settings: Settings, known: KnownNames | None
) -> None:
    try:
        spec_of(plan, settings, known)
    except SpecError as error:
        _, _, reason = error.message.partition(": ")
        raise SpecError(f"{path}: {title} ({label(settings)}): {reason}", error.remedy) from error


def _toml(values: Mapping[str, Any], title: str = "") -> str:
    """A document with nested tables, keys of a table before the tables in it."""
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    lines: Sequence[str] = [f"{k} = {toml_value(v)}" for k, v in plain.items()]
    text = toml_table(title, plain) if title else "\n".join(lines)
    tables = [
        _toml(value, f"{title}.{key}" if title else key)
        for key, value in values.items()
        if isinstance(value, dict)
    ]
    return "\n\n".join([text, *tables]) + "\n"
