"""Compression techniques, one module each. Importing a module registers its technique.

Nothing here imports TensorFlow until a technique is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pipeline.registry import Registry
from pipeline.spec.rules import LEARNING_RATE, integer

if TYPE_CHECKING:
    from pipeline.data import Dataset
    from pipeline.training.constraints import Constraints

Rows: TypeAlias = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class FineTuning:
    """What the settings of every technique have: how the changed network is trained on.

    Attributes:
        epochs: 0 leaves the changed weights as they are.
        learning_rate: of these epochs; the rest is as [training] says.
    """

    epochs: Annotated[int, integer(0, 100_000)] = 2
    learning_rate: Annotated[float, LEARNING_RATE] = 0.001


@dataclass(frozen=True)
class Change:
    """What a technique makes of a network.

    Attributes:
        network: tf_keras model; it may be the given one with other weights.
        layers: what was done to each layer, as rows of plain values; each has "layer", its name.
        skipped: name of a layer with weights -> why the technique does not apply to it.
        constraints: what holds while the network is trained on, besides the technique's `keeps`.
        facts: of the network as a whole, plain values.
        measure: of the network once it is trained on, more rows like `layers`, merged into those
            by name, and more facts.
    """

    network: Any
    layers: Rows = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    constraints: Constraints | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    measure: Callable[[Any], tuple[Rows, Mapping[str, Any]]] = lambda network: ((), {})


@dataclass(frozen=True)
class Technique:
    """A way to make a trained network smaller.

    Attributes:
        name: in [[compression]] technique.
        summary: one line for listings.
        settings: frozen dataclass, derived from `FineTuning`, whose fields have rules as the
            sections of a spec do.
        apply: (instance of `settings`, trained network, data set) -> Change. Raises ModelError
            where it applies to no layer.
        keeps: what all later training must keep of its weights, quantization-aware training too:
            zeros at zero, equal weights of a kernel equal.
        files: settings that name a run folder or a .keras file; None is the run's own model before
            compression, and `apply` is given where that is.
    """

    name: str
    summary: str
    settings: type[Any]
    apply: Callable[[Any, Any, Dataset], Change]
    keeps: tuple[Literal["zeros", "ties"], ...] = ()
    files: tuple[str, ...] = ()


_registry = Registry[Technique](__name__, "technique", lambda entry: entry.name)
register, techniques = _registry.register, _registry.all


def technique_of(settings: Any) -> Technique:
    """The technique that these settings are of."""
    return next(t for t in techniques().values() if t.settings is type(settings))


def reasons(skipped: Mapping[str, str]) -> str:
    """Layers that a technique does not apply to, by reason: "a, b (why); c (why)"."""
    layers: dict[str, list[str]] = {}
    for layer, reason in skipped.items():
        layers.setdefault(reason, []).append(layer)
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in layers.items())


def kept_constraints(applied: Iterable[FineTuning], now: Constraints | None = None) -> Constraints:
    """What training must keep to after these techniques.

    Args:
        now: what else holds in this training.
    """
    from pipeline.training.constraints import Constraints

    keeps = {what for settings in applied for what in technique_of(settings).keeps}
    now = now or Constraints()
    return replace(
        now,
        keeps_zeros=now.keeps_zeros or "zeros" in keeps,
        keeps_ties=now.keeps_ties or "ties" in keeps,
    )
