"""The table of layers: what one costs on a board, by its shape, kept between searches.

Two layers of one shape differ in their weights alone, which choose among kernels but rarely: the
search says how far the table was off.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.aot.program import Step
from pipeline.graph import Operator
from pipeline.store import json_text, write_if_changed


@dataclass(frozen=True)
class LayerCost:
    """Of one step of a program.

    Attributes:
        instructions: emulated, of one inference.
        cycles: estimated; None where nobody asked for them.
    """

    instructions: int
    cycles: int | None


class LayerTable:
    """A JSON file that searches share."""

    def __init__(self, path: Path) -> None:
        """One that is missing or damaged is empty."""
        self._path = path
        self._costs = _read(path)

    def get(self, steps: Sequence[Step], with_cycles: bool) -> list[LayerCost] | None:
        """What every step costs; None where one of them is not known."""
        found = [self._costs.get(layer_key(step)) for step in steps]
        known = [cost for cost in found if cost and not (with_cycles and cost.cycles is None)]
        return known if len(known) == len(steps) else None

    def add(self, steps: Sequence[Step], costs: Sequence[LayerCost]) -> None:
        """Adds measured layers; one that is known keeps its first count, so that the same search
        looks up the same costs again."""
        new = dict(zip(map(layer_key, steps), costs, strict=True))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            there = _read(self._path) | self._costs
            for key, cost in new.items():
                if key not in there or (there[key].cycles is None and cost.cycles is not None):
                    there[key] = cost
            self._costs = there
            rows = {key: asdict(cost) for key, cost in sorted(there.items())}
            write_if_changed(self._path, json_text(rows).encode())


def layer_key(step: Step) -> str:
    """Operators, their attributes, and shapes of all they read and write."""
    return " + ".join(map(_operator_key, step.operators))


def _operator_key(operator: Operator) -> str:
    shapes = [
        "-" if tensor is None else f"{tensor.dtype.value}{list(tensor.shape)}"
        for tensor in (*operator.inputs, *operator.outputs)
    ]
    return f"{operator.kind} {operator.attributes!r} {' '.join(shapes)}"


def _read(path: Path) -> dict[str, LayerCost]:
    try:
        rows: Mapping[str, Mapping[str, int]] = json.loads(path.read_bytes())
        return {key: LayerCost(row["instructions"], row["cycles"]) for key, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
