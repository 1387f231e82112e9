"""What a network costs on a board, and what it may cost."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Metric: TypeAlias = Literal["instructions", "latency_ms", "ram_bytes", "flash_bytes"]


@dataclass(frozen=True)
class Cost:
    """Of one inference of a network's int8 firmware.

    Attributes:
        instructions: emulated.
        latency_ms: estimated for the real board; None where it was not asked for.
        macs: multiply-accumulates, which nothing is chosen by; None where an operator has no count.
        receptive_field: of the convolutions, in pixels of the shorter axis; None without any.
    """

    instructions: int
    latency_ms: float | None
    ram_bytes: int
    flash_bytes: int
    macs: int | None
    receptive_field: int | None = None

    def of(self, metric: Metric) -> float:
        """Raises ValueError where it is not known."""
        value: float | None = getattr(self, metric)
        if value is None:
            raise ValueError(f"no {metric} was measured")
        return value


@dataclass(frozen=True)
class Budget:
    """Largest costs; None sets no limit.

    Attributes:
        min_receptive_field: no cut may make it smaller than this, in pixels.
    """

    instructions: int | None = None
    latency_ms: float | None = None
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    min_receptive_field: int | None = None

    @property
    def limits(self) -> dict[Metric, float]:
        """The metrics that have a limit."""
        metrics: tuple[Metric, ...] = ("instructions", "latency_ms", "ram_bytes", "flash_bytes")
        found = {metric: getattr(self, metric) for metric in metrics}
        return {metric: limit for metric, limit in found.items() if limit is not None}

    def exceeded(self, cost: Cost) -> Metric | None:
        """The metric that is over its limit by the largest factor; None where all is met."""
        factors = {metric: cost.of(metric) / limit for metric, limit in self.limits.items()}
        worst = max(factors, key=lambda metric: factors[metric])
        return worst if factors[worst] > 1 else None

    def sees_enough(self, cost: Cost) -> bool:
        """Whether the floor of the receptive field holds."""
        floor, field = self.min_receptive_field, cost.receptive_field
        return floor is None or (field is not None and field >= floor)


def told(metric: Metric, value: float) -> str:
    """A cost with its unit: "61,204 instructions", "1.52 ms (estimated)"."""
    if metric == "latency_ms":
        return f"{value:.3f} ms (estimated)"
    unit = {"instructions": "instructions", "ram_bytes": "bytes of RAM"}
    return f"{value:,.0f} {unit.get(metric, 'bytes of flash')}"


def cost_of_json(values: dict[str, Any]) -> Cost:
    """The inverse of `dataclasses.asdict`."""
    return Cost(**{field.name: values[field.name] for field in dataclasses.fields(Cost)})
