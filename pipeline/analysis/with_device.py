"""What `analyze` shows: every layer's cost, with what the device says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.analysis.analyze import CostTable
from pipeline.analysis.separable import SeparablePair


def analysis(
    cost: CostTable,
    pairs: Sequence[SeparablePair],
    per_op: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Plain values for json.dumps: `CostTable.to_json()` and more.

    Args:
        per_op: the executed steps as in report.json; empty without a benchmark.

    Returns:
        with "instructions" (emulated, of all steps; None where a step's are not known) and
        "separable": for every pair `SeparablePair`'s values, and "counted_instructions" of both
        operators where they were steps of their own. A layer has "step", the first operator of the
        step that computes it (None where none does or nothing was run), and, where it is that
        first operator, "instructions" and "instruction_share" of the whole step.
    """
    steps = {row["operators"][0]: row for row in per_op if row.get("operators")}
    counts = [row["instructions"] for row in steps.values()]
    total = sum(counts) if counts and None not in counts else None
    step_of = {index: first for first, row in steps.items() for index in row["operators"]}
    values = cost.to_json()
    for layer in values["layers"]:
        count = steps.get(layer["index"], {}).get("instructions")
        layer["step"] = step_of.get(layer["index"])
        layer["instructions"] = count
        layer["instruction_share"] = (
            round(count / total, 4) if total and count is not None else None
        )
    counted = {tuple(row["operators"]): row["instructions"] for row in steps.values()}
    return {
        **values,
        "instructions": total,
        "separable": [
            {**asdict(pair), "counted_instructions": _counted(pair, counted)} for pair in pairs
        ],
    }


def _counted(pair: SeparablePair, counted: Mapping[tuple[int, ...], int | None]) -> int | None:
    """From one step of both operators, or one of each."""
    together = counted.get((pair.depthwise, pair.pointwise))
    first, second = counted.get((pair.depthwise,)), counted.get((pair.pointwise,))
    if together is not None or first is None or second is None:
        return together
    return first + second
