"""Steps fused row by row: what lies between them exists a few rows at a time."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.aot.program import ConstArray, KernelCall, Loop, Step, View, ViewCall
from pipeline.aot.rows import RowRange, RowStep, row_bytes, row_tensor
from pipeline.graph import Tensor


@dataclass(frozen=True, eq=False)
class _Buffer:
    """A tensor of which only rows from `base` on are kept, at the begin of `rows`."""

    rows: Tensor
    base: int

    def place(self, row: int) -> int:
        return (row - self.base) * row_bytes(self.rows)


@dataclass(frozen=True, eq=False)
class _Made:
    """One call as it is made; `offsets` has an entry per operand of the call."""

    call: KernelCall
    tensors: tuple[Tensor | ConstArray, ...]
    offsets: tuple[int, ...]


def fuse_rows(steps: Sequence[RowStep], strip: int = 1) -> Step:
    """One step that computes several, `strip` rows of the last one's output in each round.

    Tensors between the steps become buffers of the rows still needed, shifted down before new rows
    are added. Every row is computed once.

    Args:
        steps: in order of execution; each output but the last is read by later ones only.
        strip: the last round makes fewer rows where it does not divide their number.
    """
    return _Fusion(steps, strip).step()


@dataclass
class _State:
    """What exists while the schedule is laid out: per inner tensor base and end of its rows."""

    base: dict[Tensor, int] = field(default_factory=dict)
    end: dict[Tensor, int] = field(default_factory=dict)


class _Fusion:
    """The layout of one fused step."""

    def __init__(self, steps: Sequence[RowStep], strip: int) -> None:
        self._steps = steps
        self._last = steps[-1]
        self._strip = strip
        self._inner = [step.output for step in steps[:-1]]
        self._capacity = dict.fromkeys(self._inner, 0)
        self._buffers: dict[Tensor, Tensor] = {}
        self._moves: dict[tuple[Tensor, int], KernelCall] = {}

    def step(self) -> Step:
        self._lay_out()  # for the capacities alone
        self._buffers = {t: row_tensor(t, rows) for t, rows in self._capacity.items()}
        rounds = self._lay_out()
        calls = dict.fromkeys(made.call for one in rounds for made in one)
        return Step(
            operators=tuple(op for step in self._steps for op in step.step.operators),
            calls=tuple(calls),
            loops=tuple(_loops(rounds)),
            leads=self._leads([made for one in rounds for made in one]),
        )

    def _lay_out(self) -> list[list[_Made]]:
        state = _State(dict.fromkeys(self._inner, 0), dict.fromkeys(self._inner, 0))
        rounds = []
        for first in range(0, self._last.rows, self._strip):
            end = min(first + self._strip, self._last.rows)
            rounds.append(self._round(state, RowRange(first, end)))
        return rounds

    def _round(self, state: _State, wanted: RowRange) -> list[_Made]:
        """The calls that lead to some rows of the last output."""
        ranges = self._demand(state, wanted)
        made: list[_Made] = []
        for step in self._steps:
            rows = ranges[step.output]
            if rows.count == 0:
                continue
            if step is not self._last:
                made += self._shift(state, step.output, ranges)
                state.end[step.output] = rows.end
                kept = rows.end - state.base[step.output]
                self._capacity[step.output] = max(self._capacity[step.output], kept)
            made += self._make(state, step, rows)
        return made

    def _demand(self, state: _State, wanted: RowRange) -> dict[Tensor, RowRange]:
        """The rows that every step must add."""
        ranges = {self._last.output: wanted}
        for step in reversed(self._steps[:-1]):
            inner = step.output
            end = state.end[inner]
            for reader in self._readers(inner):
                rows = ranges[reader.output]
                if rows.count:
                    end = max(end, reader.windows[inner].end(rows.end))
            ranges[inner] = RowRange(state.end[inner], end)
        return ranges

    def _readers(self, inner: Tensor) -> list[RowStep]:
        return [step for step in self._steps if inner in step.windows]

    def _shift(
        self, state: _State, inner: Tensor, ranges: Mapping[Tensor, RowRange]
    ) -> list[_Made]:
        """Drops the rows that no reader needs any more and moves the others to the begin."""
        needed = min(r.windows[inner].first(ranges[r.output].first) for r in self._readers(inner))
        old, end = state.base[inner], state.end[inner]
        base = state.base[inner] = max(old, min(needed, end))
        if base in (old, end) or inner not in self._buffers:
            return []
        buffer, size = self._buffers[inner], row_bytes(inner)
        return [
            _Made(
                self._move(inner, (end - base) * size),
                (buffer, buffer),
                ((base - old) * size, 0),
            )
        ]

    def _move(self, inner: Tensor, count: int) -> KernelCall:
        key = inner, count
        if key not in self._moves:
            rows = count // row_bytes(inner)
            kept, moved = row_tensor(inner, rows), row_tensor(inner, rows)
            params = {"count": count}
            self._moves[key] = KernelCall("move_bytes", params, (kept,), (moved,), leads=(0,))
        return self._moves[key]

    def _make(self, state: _State, step: RowStep, rows: RowRange) -> list[_Made]:
        place: dict[Tensor, tuple[Tensor, int]] = {}
        for tensor, row in (
            (step.output, rows.first),
            *((t, window.first(rows.first)) for t, window in step.windows.items()),
        ):
            if tensor in self._capacity:
                buffer = _Buffer(self._buffers.get(tensor, tensor), state.base[tensor])
                place[tensor] = buffer.rows, buffer.place(row)
            else:
                place[tensor] = tensor, row * row_bytes(tensor)
        made = []
        for whole, call in zip(step.calls, step.strip(rows), strict=True):
            operands = [
                place.get(o, (o, 0)) if isinstance(o, Tensor) else (o, 0)
                for o in (*whole.inputs, *whole.outputs)
            ]
            made.append(_Made(call, tuple(o for o, _ in operands), tuple(o for _, o in operands)))
        return made

    def _leads(self, made: Sequence[_Made]) -> dict[tuple[Tensor, Tensor], int]:
        """How far the output must stay before each input that is read row by row."""
        output = self._last.output
        inputs = {t for step in self._steps for t in step.windows} - set(self._inner)
        inputs -= {
            o
            for step in self._steps
            for call in step.calls
            for o in call.inputs
            if isinstance(o, Tensor) and o not in step.windows
        }
        return {(output, source): _lead(made, output, source) for source in inputs}


def _lead(made: Sequence[_Made], output: Tensor, source: Tensor) -> int:
    """The smallest distance at which no call overwrites a byte of `source` that is still read."""
    lead = 0
    needed: int | None = None  # the lowest byte that a later call reads
    for one in reversed(made):
        inputs = len(one.call.inputs)
        begin = one.offsets[inputs]
        writes = one.tensors[inputs] is output
        for position in range(inputs):
            if one.tensors[position] is not source:
                continue
            offset = one.offsets[position]
            allowed = one.call.leads[position] if position < len(one.call.leads) else None
            if writes and allowed is not None:
                lead = max(lead, begin - offset + allowed)
                continue
            if writes:
                lead = max(lead, begin + one.call.outputs[0].size_bytes - offset)
            needed = offset if needed is None else min(needed, offset)
        if writes and needed is not None:
            lead = max(lead, begin + one.call.outputs[0].size_bytes - needed)
        for position in range(inputs):  # what it reads in place, calls before it must not write
            if one.tensors[position] is source:
                offset = one.offsets[position]
                needed = offset if needed is None else min(needed, offset)
    return lead


def _loops(rounds: Sequence[Sequence[_Made]]) -> list[Loop]:
    """Equal rounds in a row as one loop, where every operand moves by the same distance."""
    loops = []
    begin = 0
    while begin < len(rounds):
        strides = None
        end = begin + 1
        if end < len(rounds):
            strides = _strides(rounds[begin], rounds[end])
        if strides is not None:
            while end < len(rounds) and _strides(rounds[end - 1], rounds[end]) == strides:
                end += 1
        loops.append(_loop(rounds[begin], strides, end - begin))
        begin = end
    return loops


def _strides(one: Sequence[_Made], other: Sequence[_Made]) -> list[tuple[int, ...]] | None:
    """What every operand moves by from one round to the other; None where the calls differ."""
    if len(one) != len(other):
        return None
    strides = []
    for a, b in zip(one, other, strict=True):
        same = len(a.tensors) == len(b.tensors)
        if a.call is not b.call or not same or any(map(operator.is_not, a.tensors, b.tensors)):
            return None
        strides.append(tuple(y - x for x, y in zip(a.offsets, b.offsets, strict=True)))
    return strides


def _loop(made: Sequence[_Made], strides: Sequence[tuple[int, ...]] | None, rounds: int) -> Loop:
    calls = []
    for index, one in enumerate(made):
        moved = (0,) * len(one.offsets) if strides is None else strides[index]
        operands = tuple(
            operand if isinstance(operand, ConstArray) else View(operand, offset, stride)
            for operand, offset, stride in zip(one.tensors, one.offsets, moved, strict=True)
        )
        calls.append(ViewCall(one.call, operands))
    return Loop(rounds, tuple(calls))
