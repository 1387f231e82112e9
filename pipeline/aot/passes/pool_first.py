"""Pool first: a max-pool goes before what is computed for every pixel, where that never falls.

The largest value of a function that never falls is its value at the largest input: it need be
computed for that one alone. A 1x1 convolution of one input channel rises with it in every output
channel with a positive weight, falls in the others, and is computed for a window's largest and
smallest pixel; a table lookup (LOGISTIC, TANH, RELU, QUANTIZE ...) may rise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.aot.params import array, integer
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, Step
from pipeline.graph import Graph, Tensor

_POOL = "max_pool_2d_s8"
_POOL_ONLY = ("channels", "output_low", "output_high")


def pool_first(graph: Graph, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with every max-pool joined to the step that alone it reads, where that is exact."""
    readers: dict[Tensor, int] = {}
    for step in steps:
        for tensor in {*step.touched, *step.aliases.values()} - set(step.written):
            readers[tensor] = readers.get(tensor, 0) + 1
    made: list[Step] = []
    for step in steps:
        before = next((s for s in made if _is_read_by(s, step)), None)
        alone = before is not None and readers[before.outputs[0]] == 1
        if before is not None and alone and before.outputs[0] not in graph.outputs:
            joined = _joined(before, step)
            if joined is not None:
                made[made.index(before)] = joined
                continue
        made.append(step)
    return tuple(made)


def _is_read_by(step: Step, pool: Step) -> bool:
    one_each = len(step.calls) == len(step.operators) == len(pool.calls) == 1
    return one_each and pool.calls[0].kernel == _POOL and pool.calls[0].inputs == step.outputs


def _joined(step: Step, pool: Step) -> Step | None:
    rewrite = _REWRITES.get(step.calls[0].kernel)
    (source, *others) = step.calls[0].inputs
    if rewrite is None or others or not isinstance(source, Tensor):
        return None
    calls = rewrite(step.calls[0], source, pool.calls[0])
    if calls is None:
        return None
    # The source has been read when the second call begins to write.
    leads = {(pool.calls[0].outputs[0], source): 0}
    return Step((*step.operators, *pool.operators), calls, leads=leads)


def _single_channel_convolution(
    call: KernelCall, source: Tensor, pool: KernelCall
) -> tuple[KernelCall, ...] | None:
    weights, shifts = array(call, "weights").reshape(-1), array(call, "shifts")
    if call.params["input_size"] != 1 or (shifts > 0).any():
        return None  # a sum that is shifted to the left may wrap, and fall
    (output,) = pool.outputs
    pairs = replace(source, shape=(*output.shape[:3], 2))
    rising = weights[:, np.newaxis] * np.array([1, 0], np.int8)
    falling = weights[:, np.newaxis] * np.array([0, 1], np.int8)
    low, high = _clamped(call, pool)
    windows = {name: value for name, value in pool.params.items() if name not in _POOL_ONLY}
    changed: dict[str, FieldValue] = {
        "rows": pairs.size // 2,
        "input_size": 2,
        "output_low": low,
        "output_high": high,
        "weights": ConstArray("weights", np.where(weights[:, np.newaxis] < 0, falling, rising)),
    }
    return (
        KernelCall("extremes_2d_s8", windows, (source,), (pairs,)),
        replace(call, params={**call.params, **changed}, inputs=(pairs,), outputs=(output,)),
    )


def _lookup(call: KernelCall, source: Tensor, pool: KernelCall) -> tuple[KernelCall, ...] | None:
    table = array(call, "table")
    in_order = np.concatenate([table[128:], table[:128]]).astype(np.int16)  # from -128 to 127
    (output,) = pool.outputs
    if (np.diff(in_order) < 0).any() or len(source.shape) != 4:
        return None
    pooled = replace(source, shape=output.shape)
    low, high = (integer(pool, name) for name in ("output_low", "output_high"))
    changed: dict[str, FieldValue] = {
        "count": output.size,
        "table": ConstArray("table", table.clip(low, high)),
    }
    whole_range = {**pool.params, "output_low": -128, "output_high": 127}
    return (
        KernelCall(_POOL, whole_range, (source,), (pooled,)),
        replace(call, params={**call.params, **changed}, inputs=(pooled,), outputs=(output,)),
    )


_REWRITES: Mapping[
    str, Callable[[KernelCall, Tensor, KernelCall], tuple[KernelCall, ...] | None]
] = {"fully_connected_s8": _single_channel_convolution, "lookup_s8": _lookup}


def _clamped(call: KernelCall, pool: KernelCall) -> tuple[int, int]:
    """Range of an output that is clamped by `call`, then by `pool`."""
    low, high = (integer(pool, name) for name in ("output_low", "output_high"))
    first, last = (
        min(max(integer(call, name), low), high) for name in ("output_low", "output_high")
    )
    return first, last
