"""Operators, one module each. Importing a module registers its operators, nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.aot.program import Step
from pipeline.errors import UnsupportedOperatorError
from pipeline.graph import Operator, Shape
from pipeline.registry import Registry

if TYPE_CHECKING:
    from pipeline.ops.shared.rules import WindowAxis


@dataclass(frozen=True)
class SingleOpCase:
    """A random one-operator model for the property tests.

    Attributes:
        model: the .tflite file.
        labels: the stated options that this case exercises, out of `OperatorDefinition.options`.
    """

    model: bytes
    labels: frozenset[str]


def no_attributes(_options: Any) -> None:
    """Attribute parser of an operator that has none."""
    return


@dataclass(frozen=True)
class OperatorDefinition:
    """All the pipeline knows of one operator.

    Attributes:
        kind: TFLite's builtin operator name.
        output_shapes: the shape rule; compared with the shapes the file declares.
        check: raises UnsupportedOperatorError where `lower` cannot take the operator.
        macs: multiply-accumulates of one inference at batch 1 as given (0 where there are none).
        lower: the operator as a step of kernel calls; called after `check`.
        draw: a random case that `check` accepts and TFLM accepts.
        options: labels that `draw` must produce between them over many cases.
        parse: schema options object (or None) -> typed attributes.
        windows: of operators that slide one over an image: along its height and width.
    """

    kind: str
    output_shapes: Callable[[Operator], tuple[Shape, ...]]
    check: Callable[[Operator], None]
    macs: Callable[[Operator], int]
    lower: Callable[[Operator], Step]
    draw: Callable[[np.random.Generator], SingleOpCase]
    options: frozenset[str] = field(default_factory=frozenset)
    parse: Callable[[Any], Any] = no_attributes
    windows: Callable[[Operator], tuple[WindowAxis, WindowAxis]] | None = None


_registry = Registry[OperatorDefinition](__name__, "operator", lambda entry: entry.kind)
register, definitions = _registry.register, _registry.all


def require(op: Operator, condition: bool, supported: str) -> None:
    """Refuses `op` unless `condition` holds; `supported` says what would be taken."""
    if not condition:
        raise UnsupportedOperatorError(
            f"generate: op {op.index} {op.kind} is not supported as the model uses it: {supported}"
        )
