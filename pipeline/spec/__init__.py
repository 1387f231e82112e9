"""TOML -> frozen ExperimentSpec; a mistake is refused with file, line and nearest valid name."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_origin, get_type_hints

from pipeline.aot.goal import Optimize
from pipeline.errors import SpecError
from pipeline.spec.near_miss import suggestion
from pipeline.spec.own_files import data_file, located, model_file, start_file
from pipeline.spec.rules import FOLDER_NAME, Rule
from pipeline.spec.sections import (
    SECTIONS,
    AugmentationSpec,
    BenchmarkSpec,
    BoardSpec,
    DataSpec,
    ExperimentSpec,
    ModelSpec,
    QuantizationSpec,
    Runtime,
    SearchSpec,
    TrainingSpec,
)
from pipeline.spec.toml_text import KeyPath, key_lines, toml_table, toml_value

if TYPE_CHECKING:  # its settings have rules, which are of this package
    from pipeline.compress import FineTuning

__all__ = [
    "MAX_SPEC_BYTES",
    "MAX_TECHNIQUES",
    "AugmentationSpec",
    "BenchmarkSpec",
    "BoardSpec",
    "DataSpec",
    "ExperimentSpec",
    "KnownNames",
    "ModelSpec",
    "QuantizationSpec",
    "Runtime",
    "SearchSpec",
    "TrainingSpec",
    "dump_spec",
    "parse_spec",
    "read_spec",
    "with_overrides",
]

# A spec is a page of text; a file larger than this was given by mistake.
MAX_SPEC_BYTES = 65_536
MAX_TECHNIQUES = 8


@dataclass(frozen=True)
class KnownNames:
    """What the registries have, so that a spec's mistake is found before any stage runs.

    Attributes:
        models: model -> its parameters: name -> why a value cannot be that parameter's, or None.
        data_sets: names.
        boards: board id -> ids of its runtimes.
    """

    models: Mapping[str, Mapping[str, Callable[[Any], str | None]]]
    data_sets: Collection[str]
    boards: Mapping[str, Collection[str]]


@dataclass(frozen=True)
class _Document:
    """A TOML file that was read: its values, and the place of each for messages."""

    path: Path
    text: str
    values: Mapping[str, Any]

    def error(self, keys: KeyPath, message: str, remedy: str | None = None) -> SpecError:
        """An error at the innermost of `keys` that the file has."""
        lines = key_lines(self.text)
        while keys and keys not in lines:
            keys = keys[:-1]
        return _error_at(self.path, lines.get(keys, 1), message, remedy)


def _error_at(path: Path, line: int, message: str, remedy: str | None = None) -> SpecError:
    return SpecError(f"{path}:{line}: {message}", remedy)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SPEC_BYTES + 1)
    except OSError as error:
        raise SpecError(f"{path}: the spec cannot be read: {error.strerror}") from error
    if len(content) > MAX_SPEC_BYTES:
        raise SpecError(f"{path}: a spec has at most {MAX_SPEC_BYTES} bytes, this file has more")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _error_at(path, line, "not UTF-8 text") from error


def _parse(path: Path, text: str) -> _Document:
    try:
        return _Document(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        # The place stands in the message only: "(at line 3, column 5)", "(at end of document)".
        reason, _, place = str(error).rpartition(" (at ")
        number = re.match(r"line (\d+)", place)
        line = int(number[1]) if number else max(1, len(text.splitlines()))
        raise _error_at(path, line, f"not TOML: {reason}") from error
    except (RecursionError, ValueError) as error:  # brackets 1,000 deep; a number of 5,000 digits
        raise SpecError(f"{path}: not a spec: nested too deep, or a number too long") from error


def _rules(cls: type[Any]) -> dict[str, Rule]:
    """Key -> rule of the fields that have one."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        key: hint.__metadata__[0] for key, hint in hints.items() if get_origin(hint) is Annotated
    }


def _section(
    document: _Document, keys: KeyPath, title: str, cls: type[Any], values: Mapping[str, Any]
) -> Any:
    """Builds the dataclass of the table at `keys`. Raises SpecError at the first mistake."""
    rules = _rules(cls)
    for name in values:
        if name not in rules:
            raise document.error(
                (*keys, name), f'{title} unknown key "{name}"', suggestion(name, rules)
            )
    for key in dataclasses.fields(cls):
        required = key.default is key.default_factory  # both are MISSING
        if required and key.name not in values:
            raise document.error(keys, f'{title} lacks the key "{key.name}"')
    return cls(
        **{
            name: _value(document, (*keys, name), f"{title} {name}", rules[name], value)
            for name, value in values.items()
        }
    )


def _compression(document: _Document) -> tuple[FineTuning, ...]:
    """The settings in the [[compression]] tables."""
    from pipeline.compress import techniques

    tables = document.values.get("compression", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise document.error(("compression",), "[[compression]] must be a table for each technique")
    if len(tables) > MAX_TECHNIQUES:
        message = f"[[compression]] {len(tables)} techniques, at most {MAX_TECHNIQUES} are taken"
        raise document.error(("compression",), message)
    settings = []
    for index, table in enumerate(tables):
        keys = ("compression", str(index))
        values = dict(table)
        if "technique" not in values:
            known = suggestion("", techniques())
            raise document.error(keys, '[[compression]] lacks the key "technique"', known)
        name = values.pop("technique")
        if not isinstance(name, str) or name not in techniques():
            raise document.error(
                (*keys, "technique"),
                f"[[compression]] unknown technique {toml_value(name)}",
                suggestion(str(name), techniques()),
            )
        title = f"[[compression]] {name}:"
        given = _section(document, keys, title, techniques()[name].settings, values)
        folder = document.path.absolute().parent
        files = techniques()[name].files
        absolute = {
            key: os.path.normpath(folder / path)
            for key in files
            if (path := getattr(given, key)) is not None
        }
        settings.append(dataclasses.replace(given, **absolute))
    return tuple(settings)


def _value(document: _Document, keys: KeyPath, title: str, rule: Rule, value: Any) -> Any:
    if rule.accepts(value):
        return rule.convert(value)
    raise document.error(
        keys,
        f"{title} must be {rule.wanted}, it is {toml_value(value)}",
        suggestion(value, rule.choices) if isinstance(value, str) and rule.choices else None,
    )


def _check_names(document: _Document, spec: ExperimentSpec, known: KnownNames) -> None:
    def check(keys: KeyPath, what: str, name: str, names: Collection[str]) -> None:
        if name not in names:
            raise document.error(
                keys, f'[{keys[0]}] unknown {what} "{name}"', suggestion(name, names)
            )

    if spec.model.name.endswith(".py"):
        example = f'name = "{spec.model.name}:build"'
        raise document.error(
            ("model", "name"), "[model] name lacks the function that builds the model", example
        )
    if model_file(spec.model.name) is None:
        check(("model", "name"), "model", spec.model.name, known.models)
        parameters = known.models[spec.model.name]
        for parameter, value in spec.model.parameters.items():
            keys = ("model", "parameters", parameter)
            check(keys, f"parameter of {spec.model.name}", parameter, parameters)
            reason = parameters[parameter](value)
            if reason is not None:
                raise document.error(keys, f"[model] {reason}")
    if data_file(spec.data.name) is None:
        check(("data", "name"), "data set", spec.data.name, known.data_sets)
    check(("board", "id"), "board", spec.board.id, known.boards)
    if spec.board.runtime is not None:
        check(
            ("board", "runtime"),
            f"runtime of {spec.board.id}",
            spec.board.runtime,
            known.boards[spec.board.id],
        )


def _check_files(document: _Document, spec: ExperimentSpec) -> None:
    own = model_file(spec.model.name)
    for section, path in (
        ("model", None if own is None else own.path),
        ("data", data_file(spec.data.name)),
    ):
        if path is None:
            continue
        is_folder = section == "data" and spec.data.name.endswith("/")
        if not (path.is_dir() if is_folder else path.is_file()):
            what = "folder" if is_folder else "file"
            raise document.error((section, "name"), f"[{section}] there is no {what} {path}")
    start = spec.training.start_from
    if start is not None and not start_file(start).is_file():
        raise document.error(
            ("training", "start_from"), f"[training] there is no model {start_file(start)}"
        )
    from pipeline.compress import technique_of

    for index, settings in enumerate(spec.compression):
        for key in technique_of(settings).files:
            named = getattr(settings, key)
            if named is not None and not (path := start_file(named)).is_file():
                keys = ("compression", str(index), key)
                raise document.error(keys, f"[[compression]] there is no model {path}")
    if own is not None and own.function is None and spec.model.parameters:
        raise document.error(("model", "parameters"), "[model] a saved model takes no parameters")


def _check_quantization(document: _Document, quantization: QuantizationSpec) -> None:
    """Refuses what the converter or tfmot has no way to: it would be ignored."""
    mode = quantization.mode
    for key, ignored in (
        ("calibration", mode == "16x8" and quantization.calibration != "min-max"),
        ("per_channel", mode == "qat" and not quantization.per_channel),
        ("per_channel_dense", mode == "qat" and quantization.per_channel_dense),
    ):
        if ignored:
            value = toml_value(getattr(quantization, key))
            raise document.error(
                ("quantization", key), f'[quantization] {key} = {value} needs mode = "ptq"'
            )


def _check_training(document: _Document, training: TrainingSpec) -> None:
    """Refuses what has no meaning together."""
    for key, useless, reason in (
        ("momentum", training.momentum > 0 and training.optimizer != "sgd", 'optimizer = "sgd"'),
        ("patience", training.patience > 0 and training.validation_split == 0, "validation_split"),
        ("warmup_epochs", training.warmup_epochs >= training.epochs, "more epochs than that"),
    ):
        if useless:
            raise document.error(("training", key), f"[training] {key} needs {reason}")


def _default_name(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", path.stem).lstrip(".+-") or "experiment"


def parse_spec(text: str, path: Path, known: KnownNames | None = None) -> ExperimentSpec:
    """A spec's text as an ExperimentSpec; keys that are not given have their defaults.

    Args:
        text: the TOML document.
        path: for messages, and for the default name.
        known: what names of models, parameters, data sets, boards and runtimes are held against,
            and that files are there; None takes any.

    Raises:
        SpecError: "FILE:LINE: [section] what is wrong; nearest valid name or what is valid".
    """
    document = _parse(path, text)
    for name, value in document.values.items():
        if name == "name" or name in SECTIONS or name == "compression":
            continue
        what = f"section [{name}]" if isinstance(value, dict) else f'key "{name}"'
        names = ("name", *SECTIONS, "compression")
        raise document.error((name,), f"unknown {what}", suggestion(name, names))
    sections = {}
    for title, cls in SECTIONS.items():
        values = document.values.get(title, {})
        if not isinstance(values, dict):
            raise document.error((title,), f"[{title}] must be a table, once")
        sections[title] = _section(document, (title,), f"[{title}]", cls, values)
    given = document.values.get("name", _default_name(path))
    name = _value(document, ("name",), "name", FOLDER_NAME, given)
    for title, file_of in (("model", model_file), ("data", data_file)):
        section = sections[title]
        if file_of(section.name) is not None:
            absolute = located(section.name, path.absolute().parent)
            sections[title] = dataclasses.replace(section, name=absolute)
    training = sections["training"]
    if training.start_from is not None:
        absolute = os.path.normpath(path.absolute().parent / training.start_from)
        sections["training"] = dataclasses.replace(training, start_from=absolute)
    _check_training(document, training)
    spec = ExperimentSpec(name=name, compression=_compression(document), **sections)
    if known is not None:
        _check_names(document, spec, known)
        _check_files(document, spec)
        _check_quantization(document, spec.quantization)
    return spec


def read_spec(path: Path, known: KnownNames | None = None) -> ExperimentSpec:
    """`parse_spec` of a file. Raises SpecError also where the file cannot be read."""
    return parse_spec(_read_text(path), path, known)


def with_overrides(
    spec: ExperimentSpec,
    *,
    board: str | None = None,
    runtime: Runtime | None = None,
    seed: int | None = None,
    optimize: Optimize | None = None,
) -> ExperimentSpec:
    """The spec with what the command line says instead; None leaves a value.

    Another board without a runtime gets that board's default: the spec's runtime was chosen for
    the spec's board.
    """
    if board is not None and board != spec.board.id:
        spec = dataclasses.replace(spec, board=BoardSpec(board, optimize=spec.board.optimize))
    if runtime is not None:
        spec = dataclasses.replace(spec, board=dataclasses.replace(spec.board, runtime=runtime))
    if optimize is not None:
        spec = dataclasses.replace(spec, board=dataclasses.replace(spec.board, optimize=optimize))
    if seed is not None:
        spec = dataclasses.replace(
            spec,
            training=dataclasses.replace(spec.training, seed=seed),
            quantization=dataclasses.replace(spec.quantization, seed=seed),
        )
    return spec


def dump_spec(spec: ExperimentSpec) -> str:
    """The spec with every default written out: `parse_spec` of it gives an equal spec."""
    from pipeline.compress import technique_of

    blocks = [f"name = {toml_value(spec.name)}"]
    for title in SECTIONS:
        section = dataclasses.asdict(getattr(spec, title))
        tables = {key: value for key, value in section.items() if isinstance(value, dict)}
        blocks.append(toml_table(title, {k: v for k, v in section.items() if k not in tables}))
        blocks.extend(toml_table(f"{title}.{key}", table) for key, table in tables.items() if table)
    for settings in spec.compression:
        values = {"technique": technique_of(settings).name, **dataclasses.asdict(settings)}
        blocks.append(toml_table("[compression]", values))
    return "\n\n".join(blocks) + "\n"
