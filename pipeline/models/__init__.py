"""Model architectures, one module each. Importing a module registers its architecture.

Nothing here imports TensorFlow until a model is built.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import SpecError
from pipeline.registry import Registry
from pipeline.spec.near_miss import suggestion
from pipeline.spec.toml_text import toml_value


def parameter(
    default: Any,
    help: str,
    *,
    minimum: int | None = None,
    above: int | None = None,
    choices: tuple[Any, ...] = (),
) -> Any:
    """A field of an architecture's parameter dataclass.

    Args:
        default: its type is the parameter's type: bool, int, float or str.
        help: one line for listings.
        minimum: smallest value of a number.
        above: what a number must be greater than.
        choices: the values there are, where they are few.
    """
    metadata = {"help": help, "minimum": minimum, "above": above, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Parameter:
    """One documented parameter of an architecture; `default` is a bool, int, float or str."""

    name: str
    default: Any
    help: str
    minimum: int | None
    above: int | None
    choices: tuple[Any, ...]

    @property
    def type(self) -> type:
        return type(self.default)

    def refusal(self, value: object) -> str | None:
        """Why `value` cannot be this parameter's ("alpha = 0 is not above 0"); None if it can."""
        label = f"{self.name} = {toml_value(value)}"
        # Exact types: in TOML, true is no integer and 1 is not "1"; an integer is a float.
        if type(value) is not self.type and not (self.type is float and type(value) is int):
            return f"{label} is not of type {self.type.__name__}"
        if self.choices and value not in self.choices:
            return f"{label} is not one of {', '.join(map(toml_value, self.choices))}"
        if isinstance(value, int | float) and not math.isfinite(value):
            return f"{label} is not a finite number"
        if self.minimum is not None and isinstance(value, int | float) and value < self.minimum:
            return f"{label} is below {self.minimum}"
        if self.above is not None and isinstance(value, int | float) and value <= self.above:
            return f"{label} is not above {self.above}"
        return None


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


_registry = Registry[ModelDefinition](__name__, "model", lambda entry: entry.name)
register, models = _registry.register, _registry.all


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
        reason = known[name].refusal(value)
        if reason is not None:
            raise SpecError(f"model: {definition.name}: {reason}")
    return definition.parameters(**values)
