"""Model architectures, one module each. Importing a module registers its architecture.

Nothing here imports TensorFlow until a model is built.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import SpecError
from pipeline.near_miss import suggestion


def parameter(
    default: Any, help: str, *, minimum: int | None = None, choices: tuple[Any, ...] = ()
) -> Any:
    """A field of an architecture's parameter dataclass.

    Args:
        default: its type is the parameter's type: bool, int, float or str.
        help: one line for listings.
        minimum: smallest value of a number.
        choices: the values there are, where they are few.
    """
    metadata = {"help": help, "minimum": minimum, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Parameter:
    """One documented parameter of an architecture; `default` is a bool, int, float or str."""

    name: str
    default: Any
    help: str
    minimum: int | None
    choices: tuple[Any, ...]

    @property
    def type(self) -> type:
        return type(self.default)


@dataclass(frozen=True)
class ModelDefinition:
    """An architecture that can be built by name.

    Attributes:
        summary: one line for listings.
        parameters: frozen dataclass whose fields are made by `parameter`.
        build: (instance of `parameters`, image shape (height, width, channels), number of
            classes) -> uncompiled tf_keras model with class probabilities as its output.
        image_shape: what a listing builds the model for.
        classes: likewise.
    """

    name: str
    summary: str
    parameters: type[Any]
    build: Callable[[Any, tuple[int, ...], int], Any]
    image_shape: tuple[int, int, int] = (28, 28, 1)
    classes: int = 10

    def parameter_list(self) -> tuple[Parameter, ...]:
        """The parameters in the order of their declaration."""
        return tuple(
            Parameter(field.name, field.default, **field.metadata)
            for field in dataclasses.fields(self.parameters)
        )


_definitions: dict[str, ModelDefinition] = {}


def register(definition: ModelDefinition) -> None:
    """Makes an architecture known. Raises ValueError where its name is registered already."""
    if definition.name in _definitions:
        raise ValueError(f"model {definition.name} is registered twice")
    _definitions[definition.name] = definition


@functools.cache
def models() -> Mapping[str, ModelDefinition]:
    """All architectures by name, in alphabetical order."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return dict(sorted(_definitions.items()))


def model(name: str) -> ModelDefinition:
    """The architecture with this name. Raises SpecError where there is none; says the nearest."""
    definition = models().get(name)
    if definition is None:
        raise SpecError(f'model: "{name}" is unknown', suggestion(name, models()))
    return definition


def parse_parameters(definition: ModelDefinition, values: Mapping[str, object]) -> Any:
    """Checks untyped values and returns an instance of `definition.parameters`.

    Raises:
        SpecError: an unknown name (says the nearest), a value of another type, below the minimum
            or outside the choices.
    """
    known = {entry.name: entry for entry in definition.parameter_list()}
    for name, value in values.items():
        if name not in known:
            raise SpecError(
                f'model: {definition.name} has no parameter "{name}"', suggestion(name, known)
            )
        _check(definition.name, known[name], value)
    return definition.parameters(**values)


def _check(model_name: str, entry: Parameter, value: object) -> None:
    label = f"model: {model_name}: {entry.name} = {value!r}"
    # Exact types: in TOML, true is no integer and 1 is not "1"; an integer is a float.
    if type(value) is not entry.type and not (entry.type is float and type(value) is int):
        raise SpecError(f"{label} is not of type {entry.type.__name__}")
    if entry.choices and value not in entry.choices:
        raise SpecError(f"{label} is not one of {', '.join(map(repr, entry.choices))}")
    if entry.minimum is not None and isinstance(value, int | float) and value < entry.minimum:
        raise SpecError(f"{label} is below {entry.minimum}")
