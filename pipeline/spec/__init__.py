"""TOML -> frozen ExperimentSpec; a mistake is refused with file, line and nearest valid name."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_origin, get_type_hints

from pipeline.aot.goal import Optimize
from pipeline.errors import SpecError
from pipeline.spec.near_miss import suggestion
from pipeline.spec.own_files import data_file, located, model_file, start_file
from pipeline.spec.rules import (
    FOLDER_NAME,
    IMAGE_SIZE,
    LEARNING_RATE,
    MAX_SEED,
    PARAMETERS,
    SAMPLES,
    SWITCH,
    TEXT,
    ParameterValue,
    Rule,
    choice,
    integer,
    number,
)
from pipeline.spec.toml_text import KeyPath, key_lines, toml_table, toml_value

if TYPE_CHECKING:  # its settings have rules, which are of this package
    from pipeline.compress import FineTuning

Optimizer: TypeAlias = Literal["adam", "sgd"]
Decay: TypeAlias = Literal["none", "step", "cosine"]
Reduction: TypeAlias = Literal["mean", "sum"]
QuantizationMode: TypeAlias = Literal["ptq", "qat"]
Runtime: TypeAlias = Literal["aot", "tflm"]

# A spec is a page of text; a file larger than this was given by mistake.
MAX_SPEC_BYTES = 65_536
MAX_TECHNIQUES = 8
_MAX_COUNT = 65_535  # of runs and warmups: 16 bits in the serial protocol


@dataclass(frozen=True)
class ModelSpec:
    """[model]: what is trained, and its parameters' values.

    Attributes:
        name: of a registered architecture; or "path/to/file.py:function" of one's own; or
            "path/to/model.keras" of a saved model, which is not trained. Paths are absolute once
            a spec is read; in the file they start at its folder.
    """

    name: Annotated[str, TEXT]
    parameters: Annotated[Mapping[str, ParameterValue], PARAMETERS] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSpec:
    """[data]: a data set by its registered name, or a path to an .npz file or to a folder with a
    folder of images for each class, which ends in "/".

    Attributes:
        image_size, grayscale, test_split: of a folder of images; see `pipeline.data.image_folder`.
    """

    name: Annotated[str, TEXT]
    image_size: Annotated[tuple[int, int] | None, IMAGE_SIZE] = None
    grayscale: Annotated[bool, SWITCH] = False
    test_split: Annotated[float, number(0.01, 0.99)] = 0.2


@dataclass(frozen=True)
class TrainingSpec:
    """[training]: how the weights are moved.

    Attributes:
        momentum: of "sgd" only.
        learning_rate, decay, decay_every, decay_factor, warmup_epochs: see
            `pipeline.training.schedule`; `decay_every` counts epochs.
        loss_reduction: of the cross-entropy over a batch. Under "sum" a learning rate moves the
            weights batch_size times as far as under "mean".
        clip_norm: largest norm of all gradients together; None does not limit it.
        dropout: share of every dense layer's inputs that a training step sets to 0.
        l2: factor of the sum of squared kernels (of dense and convolutional layers, not biases)
            in what is minimised, which is the loss after its reduction.
        validation_split: share of the training images kept apart, never trained on.
        patience: epochs without a lower validation loss after which the training ends, and the
            weights of the best epoch are taken; 0 trains all epochs.
        curve_every: updates between two points of the learning curves; 0 for none.
        start_from: run folder or .keras file whose weights layers of the same name begin with.
        freeze_until: layer up to which weights stay as they are.
        tensorboard: whether the run folder's tensorboard/ gets the metrics of every epoch.
        seed: settles initial weights, the order of the samples, and all other chance.
    """

    epochs: Annotated[int, integer(1, 100_000)] = 5
    batch_size: Annotated[int, integer(1, 1_000_000)] = 100
    optimizer: Annotated[Optimizer, choice(Optimizer)] = "adam"
    momentum: Annotated[float, number(0, 0.9999)] = 0.0
    learning_rate: Annotated[float, LEARNING_RATE] = 0.001
    decay: Annotated[Decay, choice(Decay)] = "none"
    decay_every: Annotated[int, integer(1, 100_000)] = 1
    decay_factor: Annotated[float, number(0, 1)] = 0.5
    warmup_epochs: Annotated[int, integer(0, 100_000)] = 0
    loss_reduction: Annotated[Reduction, choice(Reduction)] = "mean"
    clip_norm: Annotated[float | None, number(1e-6, 1e6)] = None
    dropout: Annotated[float, number(0, 0.95)] = 0.0
    l2: Annotated[float, number(0, 1000)] = 0.0
    validation_split: Annotated[float, number(0, 0.9)] = 0.0
    patience: Annotated[int, integer(0, 100_000)] = 0
    curve_every: Annotated[int, integer(0, 10_000_000)] = 0
    start_from: Annotated[str | None, TEXT] = None
    freeze_until: Annotated[str | None, TEXT] = None
    tensorboard: Annotated[bool, SWITCH] = False
    seed: Annotated[int, integer(0, MAX_SEED)] = 0


@dataclass(frozen=True)
class AugmentationSpec:
    """[augmentation]: how training images are changed at random; see `pipeline.training`.

    Attributes:
        shift: largest way in pixels, in both directions.
        rotate: largest angle in degrees.
        zoom: largest change of size, as a share: 0.1 is from 1 / 1.1 to 1 / 0.9 times.
        flip: left and right change places in half of the images.
        noise: standard deviation of what is added to every value, as the model sees it.
        cutout: side in pixels of a square that is set to 0.
    """

    shift: Annotated[float, number(0, 1000)] = 0.0
    rotate: Annotated[float, number(0, 180)] = 0.0
    zoom: Annotated[float, number(0, 0.9)] = 0.0
    flip: Annotated[bool, SWITCH] = False
    noise: Annotated[float, number(0, 100)] = 0.0
    cutout: Annotated[int, integer(0, 10_000)] = 0


@dataclass(frozen=True)
class QuantizationSpec:
    """[quantization]: seed settles which training samples calibrate the value ranges.

    Attributes:
        mode: "ptq", post-training quantization to int8; "qat", the float model is trained on with
            quantization simulated, and held against "ptq".
        qat_epochs: more epochs, of "qat" only; all but their number and learning rate is as
            [training] says.
        qat_learning_rate: of these epochs.
        per_channel_dense: with "ptq", a scale per output of a dense layer instead of one for all;
            TFLM libraries of early 2023 compute garbage from such a file.
    """

    mode: Annotated[QuantizationMode, choice(QuantizationMode)] = "ptq"
    qat_epochs: Annotated[int, integer(1, 100_000)] = 2
    qat_learning_rate: Annotated[float, LEARNING_RATE] = 0.001
    calibration_samples: Annotated[int, integer(1, 1_000_000)] = 200
    per_channel_dense: Annotated[bool, SWITCH] = False
    seed: Annotated[int, integer(0, MAX_SEED)] = 0


@dataclass(frozen=True)
class BoardSpec:
    """[board]: runtime None is the board's default.

    Attributes:
        optimize: what the aot runtime's code minimises.
    """

    id: Annotated[str, TEXT] = "nano33ble_sim"
    runtime: Annotated[Runtime | None, choice(Runtime)] = None
    optimize: Annotated[Optimize, choice(Optimize)] = "balanced"


@dataclass(frozen=True)
class BenchmarkSpec:
    """[benchmark]: timed inferences, those before them that do not count, and test samples sent.

    Attributes:
        samples: how many of the test split's first samples are validated and classified on the
            device.
    """

    runs: Annotated[int, integer(1, _MAX_COUNT)] = 30
    warmups: Annotated[int, integer(0, _MAX_COUNT)] = 3
    samples: Annotated[int | Literal["all"], SAMPLES] = 1000


@dataclass(frozen=True)
class ExperimentSpec:
    """One experiment; each stage receives its own section only.

    Attributes:
        name: first part of the run folder's name; the spec file's name where it is not given.
        compression: [[compression]] tables, settings of registered techniques, applied in order
            between training and quantization.
    """

    name: Annotated[str, FOLDER_NAME]
    model: ModelSpec
    data: DataSpec
    training: TrainingSpec = TrainingSpec()
    augmentation: AugmentationSpec = AugmentationSpec()
    quantization: QuantizationSpec = QuantizationSpec()
    board: BoardSpec = BoardSpec()
    benchmark: BenchmarkSpec = BenchmarkSpec()
    compression: tuple[FineTuning, ...] = ()


_SECTIONS: dict[str, type[Any]] = {
    "model": ModelSpec,
    "data": DataSpec,
    "training": TrainingSpec,
    "augmentation": AugmentationSpec,
    "quantization": QuantizationSpec,
    "board": BoardSpec,
    "benchmark": BenchmarkSpec,
}


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
        absolute = {key: os.path.normpath(folder / getattr(given, key)) for key in files}
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
            path = start_file(getattr(settings, key))
            if not path.is_file():
                keys = ("compression", str(index), key)
                raise document.error(keys, f"[[compression]] there is no model {path}")
    if own is not None and own.function is None and spec.model.parameters:
        raise document.error(("model", "parameters"), "[model] a saved model takes no parameters")


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
        if name == "name" or name in _SECTIONS or name == "compression":
            continue
        what = f"section [{name}]" if isinstance(value, dict) else f'key "{name}"'
        names = ("name", *_SECTIONS, "compression")
        raise document.error((name,), f"unknown {what}", suggestion(name, names))
    sections = {}
    for title, cls in _SECTIONS.items():
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
    for title in _SECTIONS:
        section = dataclasses.asdict(getattr(spec, title))
        tables = {key: value for key, value in section.items() if isinstance(value, dict)}
        blocks.append(toml_table(title, {k: v for k, v in section.items() if k not in tables}))
        blocks.extend(toml_table(f"{title}.{key}", table) for key, table in tables.items() if table)
    for settings in spec.compression:
        values = {"technique": technique_of(settings).name, **dataclasses.asdict(settings)}
        blocks.append(toml_table("[compression]", values))
    return "\n\n".join(blocks) + "\n"
