"""Row fusion: neighbouring steps computed a few rows at a time, where that makes the arena smaller.

What lies between fused steps never exists whole (pool into convolution, inverted residuals, fire
modules), and a fused step's output may follow its input through the same memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.aot.memory import bytes_alive, plan_memory
from pipeline.aot.passes.in_place import share_in_place
from pipeline.aot.program import Step
from pipeline.aot.row_schedule import fuse_rows
from pipeline.aot.rows import RowStep, row_step
from pipeline.aot.selection import Selection
from pipeline.graph import Graph, Tensor

_LONGEST = 9  # steps fused into one
_STRIPS = (1, 2, 4, 8)  # rows of the last output a round
_LEAST_GAIN = 0.005  # of the whole cost, 1.0 for each of instructions, flash and arena
_FULL = 0.25  # of the fullest step: steps below decide nothing until the arena is a quarter
_TRIED_AGAIN = 24  # of the best ranges, after one was taken


@dataclass(frozen=True)
class _Range:
    """Steps first <= step < end as one, `strip` rows a round; 0 for a step as it was."""

    first: int
    end: int
    strip: int = 0

    def overlaps(self, other: _Range) -> bool:
        return self.first < other.end and other.first < self.end


def fuse(graph: Graph, steps: Sequence[Step], selection: Selection) -> tuple[Step, ...]:
    """The steps with those fused that lower the cost most, one range after the other.

    Args:
        steps: of portable calls, one operator each.
        selection: replaces the calls of the result, too.
    """
    return _Search(graph, steps, selection).run()


class _Search:
    """A partition of the steps into ranges, and its cost."""

    def __init__(self, graph: Graph, steps: Sequence[Step], selection: Selection) -> None:
        self._graph = graph
        self._steps = steps
        self._selection = selection
        self._rows = [row_step(step) for step in steps]
        self._readers = _readers(steps)
        self._built: dict[_Range, Step | None] = {}
        self._ranges = [_Range(i, i + 1) for i in range(len(steps))]
        self._cost = self._evaluate(self._ranges)

    def run(self) -> tuple[Step, ...]:
        ranges = self._candidates()
        limit = len(ranges)
        while True:
            gains = [(self._gain(r), r) for r in ranges[:limit]]
            gains.sort(key=lambda pair: -pair[0])
            ranges = [r for _, r in gains] + ranges[limit:]
            if not gains or gains[0][0] < _LEAST_GAIN:
                break
            self._take(ranges[0])
            limit = _TRIED_AGAIN
        for taken in [r for r in self._ranges if r.strip]:
            self._widen(taken)
        return tuple(self._step(r) for r in self._ranges)

    def _candidates(self) -> list[_Range]:
        """Ranges that can be fused and touch a step that is full enough to matter."""
        alive = bytes_alive(self._graph, self._steps)
        full = [step for step, size in enumerate(alive) if size >= _FULL * max(alive)]
        return [
            _Range(first, end, 1)
            for first in range(len(self._steps))
            for end in range(first + 1, min(first + _LONGEST, len(self._steps)) + 1)
            if any(first <= step < end for step in full)
            and self._build(_Range(first, end, 1)) is not None
        ]

    def _widen(self, taken: _Range) -> None:
        """More rows a round, where calls saved are worth the memory."""
        options = [replace(taken, strip=strip) for strip in _STRIPS]
        options = [option for option in options if self._build(option) is not None]
        best = max(options, key=self._gain)
        if self._gain(best) > 0:
            self._take(best)

    def _gain(self, wanted: _Range) -> float:
        return self._cost - self._evaluate(self._with(wanted))

    def _take(self, wanted: _Range) -> None:
        self._ranges = self._with(wanted)
        self._cost = self._evaluate(self._ranges)

    def _with(self, wanted: _Range) -> list[_Range]:
        """The partition with `wanted`; what it cuts is steps of their own again."""
        kept = [r for r in self._ranges if not r.overlaps(wanted)]
        cut = [
            _Range(i, i + 1)
            for r in self._ranges
            if r.overlaps(wanted)
            for i in range(r.first, r.end)
            if not wanted.first <= i < wanted.end
        ]
        return sorted([*kept, *cut, wanted], key=lambda r: r.first)

    def _evaluate(self, ranges: Sequence[_Range]) -> float:
        steps = [self._step(r) for r in ranges]
        weights = self._selection.weights
        arena = plan_memory(self._graph, steps, search=0).arena_bytes
        return (
            weights.arena_byte * arena
            + weights.instruction * sum(map(self._selection.effort, steps))
            + weights.flash_byte * sum(map(self._selection.flash_bytes, steps))
        )

    def _step(self, wanted: _Range) -> Step:
        step = self._build(wanted)
        assert step is not None
        return step

    def _build(self, wanted: _Range) -> Step | None:
        if wanted not in self._built:
            self._built[wanted] = self._fused(wanted) if wanted.strip else self._single(wanted)
        return self._built[wanted]

    def _single(self, wanted: _Range) -> Step:
        return share_in_place(self._selection.step(self._steps[wanted.first]))

    def _fused(self, wanted: _Range) -> Step | None:
        rows: list[RowStep] = []
        for step in self._rows[wanted.first : wanted.end]:
            if step is None:
                return None
            rows.append(step)
        inside = set(range(wanted.first, wanted.end))
        for step in rows[:-1]:
            if step.output in self._graph.outputs or not self._readers[step.output] <= inside:
                return None
        if wanted.strip > rows[-1].rows:
            return None
        fused = replace(fuse_rows(rows, wanted.strip), reason=_reason(len(rows), wanted.strip))
        return self._selection.step(fused)


def _reason(operators: int, strip: int) -> str:
    rows = "row by row" if strip == 1 else f"{strip} rows at a time"
    return f"{rows}: {'input and output share memory' if operators == 1 else 'smaller arena'}"


def _readers(steps: Sequence[Step]) -> dict[Tensor, set[int]]:
    """The steps that read each tensor, or share its memory under another name."""
    readers: dict[Tensor, set[int]] = {t: set() for step in steps for t in step.written}
    for index, step in enumerate(steps):
        sources = [o for call in step.calls for o in call.inputs if isinstance(o, Tensor)]
        for tensor in (*sources, *step.aliases.values()):
            readers.setdefault(tensor, set()).add(index)
    return readers
