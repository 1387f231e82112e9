"""Layers with their costs, as text and as CSV, for `analyze` and `models`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

_UNKNOWN = "-"
_ALWAYS = ("index", "op", "output_shape", "macs", "parameters")
# Key of a layer in JSON -> heading.
_HEADINGS = {
    "index": "#",
    "op": "operator",
    "output_shape": "output",
    "macs": "MACs",
    "parameters": "parameters",
    "weight_bytes": "weight bytes",
    "activation_bytes": "activation bytes",
    "receptive_field": "field",
    "macs_per_byte": "MACs/byte",
    "instructions": "instructions",
    "instruction_share": "share",
}
_TEXTS = ("op", "output_shape")


def layer_table(
    layers: Sequence[Mapping[str, Any]], totals: Mapping[str, Any]
) -> tuple[list[str], list[list[str]], list[int]]:
    """Headings, cells with the totals as last row, and which columns hold numbers.

    Args:
        layers: as `CostTable.to_json()["layers"]`, with or without what a device tells.
        totals: the same keys for all layers together, where there is such a thing.
    """
    keys = [
        key
        for key in _HEADINGS
        if key in _ALWAYS or any(layer.get(key) is not None for layer in layers)
    ]
    last = {"index": "", "op": "all", "output_shape": "", "receptive_field": "", **totals}
    cells = [[_cell(key, layer.get(key)) for key in keys] for layer in (*layers, last)]
    numbers = [position for position, key in enumerate(keys) if key not in _TEXTS]
    return [_HEADINGS[key] for key in keys], cells, numbers


def layer_csv(layers: Sequence[Mapping[str, Any]]) -> str:
    """A line a layer under a line of keys; shapes as 1x28x28x8, the unknown as nothing."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(layers[0]) if layers else [], lineterminator="\n")
    writer.writeheader()
    for layer in layers:
        writer.writerow({key: _joined(value) for key, value in layer.items()})
    return text.getvalue()


def separable_table(
    pairs: Sequence[Mapping[str, Any]],
) -> tuple[list[str], list[list[str]], list[int]]:
    """As `layer_table`, of the pairs of `analysis.analysis()["separable"]`."""
    headings = (
        *("separable", "kernel", "Cout", "MACs ratio", "instruction ratio"),
        *("estimated", "standard, estimated", "counted"),
    )
    cells = [
        [
            f"{pair['depthwise']} + {pair['pointwise']}",
            str(_joined(pair["kernel"])),
            str(pair["output_channels"]),
            f"{pair['macs_ratio']:.3f}",
            _UNKNOWN if pair["instruction_ratio"] is None else f"{pair['instruction_ratio']:.3f}",
            _cell("pair_instructions", pair["pair_instructions"]),
            _cell("standard_instructions", pair["standard_instructions"]),
            _cell("counted_instructions", pair["counted_instructions"]),
        ]
        for pair in pairs
    ]
    return list(headings), cells, [2, 3, 4, 5, 6, 7]


def _cell(key: str, value: Any) -> str:
    if value is None:
        return _UNKNOWN
    if key == "instruction_share":
        return f"{100 * value:.1f} %"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if key != "index" and isinstance(value, int):
        return f"{value:,}"
    return str(_joined(value))


def _joined(value: Any) -> Any:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else value


def bits_table(
    found: Mapping[str, Any],
) -> tuple[list[str], list[list[str]], list[int]]:
    """As `layer_table`, of the accuracies of whole networks in a bit_widths.json."""
    series = ("weights", "activations", "both")
    rows = [[bits, *(_share(found[name][bits]) for name in series)] for bits in found["weights"]]
    rows.append(["float", *[_share(found["float_accuracy"])] * 3])
    rows.append(["deployed", "", "", _share(found["deployed_accuracy"])])
    return ["bits", *series], rows, [1, 2, 3]


def layer_bits_table(
    found: Mapping[str, Any],
) -> tuple[list[str], list[list[str]], list[int]]:
    """As `layer_table`, of single layers: percentage points that each alone costs."""
    widths = list(found["layers"][0]["activations"])
    columns = ["#", "operator", "output"]
    columns += [f"{part}, {bits} bits" for part in ("weights", "output") for bits in widths]
    rows = []
    for layer in found["layers"]:
        row = [str(layer["index"]), layer["op"], _joined(layer["output_shape"])]
        for part in ("weights", "activations"):
            for bits in widths:
                alone = None if layer[part] is None else layer[part][bits]
                lost = None if alone is None else 100 * (alone - found["float_accuracy"])
                row.append(_UNKNOWN if lost is None else f"{lost:+.2f}")
        rows.append(row)
    return columns, rows, [0, *range(3, len(columns))]


def _share(accuracy: float) -> str:
    return f"{100 * accuracy:.2f} %"
