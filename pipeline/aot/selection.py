"""The cheapest way to compute each call, by what the goal minimises.

Costs of unlike kinds are compared as shares of the whole model's: with "balanced", one per cent of
the instructions weighs as much as one per cent of the flash or two of the arena. Where the goal has
a flash cache, a cycle that the processor waits for it counts as an instruction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.aot import armv7em, mac16, scalar
from pipeline.aot.cost import Candidate
from pipeline.aot.flash_misses import ConstantReads, missed_lines
from pipeline.aot.goal import Goal, Optimize
from pipeline.aot.program import ConstArray, FieldValue, KernelCall, Loop, Step, View, ViewCall
from pipeline.graph import Tensor

_CALL_INSTRUCTIONS = 80  # arguments, entry, exit, and reading parameters
_CALL_CODE_BYTES = 24  # of one line in model.c
_FIELD_BYTES = 4
_STEP_CODE_BYTES = 400  # of a portable kernel, each counted for every step that uses it

_ROUNDS = 3  # in which choices for calls settle that share kernels
# Scratch makes the arena larger only in its fullest step; row fusion counts it there in full.
_SCRATCH_SHARE = 0.1

_CANDIDATES: Mapping[str, Callable[[KernelCall], list[Candidate]]] = {
    "cortex-m4f": armv7em.candidates,
    "rv32imc": scalar.rv32imc_candidates,
    "xtensa-de212": mac16.xtensa_de212_candidates,
    "xtensa-lx6": mac16.xtensa_lx_candidates,
    "xtensa-lx7": mac16.xtensa_lx_candidates,
}
# Instructions of portable kernels beside a Cortex-M4's, which has twice the work in one.
_PORTABLE_FACTORS = {"rv32imc": 2.2, "xtensa-de212": 4.0, "xtensa-lx6": 4.0, "xtensa-lx7": 4.0}


def has_costs(core: str) -> bool:
    """Whether estimates of instructions are of this core."""
    return core in _CANDIDATES


@dataclass(frozen=True)
class Weights:
    """What a unit of each cost counts for."""

    instruction: float
    flash_byte: float
    arena_byte: float


_SHARES: Mapping[Optimize, tuple[float, float, float]] = {
    # instructions, flash, arena; the small ones settle ties
    "balanced": (1.0, 1.0, 0.5),
    "latency": (1.0, 1e-3, 1e-3),
    "flash": (1e-2, 1.0, 1e-2),
    "ram": (3e-2, 3e-2, 1.0),
}


class Selection:
    """Choices made for one program, and what they cost; each call is decided once."""

    def __init__(self, goal: Goal, steps: Sequence[Step], arena_bytes: int) -> None:
        """Decides the calls of `steps`.

        Args:
            steps: the program of portable calls alone.
            arena_bytes: of that program.
        """
        self._find = _CANDIDATES.get(goal.core)
        self._portable_factor = _PORTABLE_FACTORS.get(goal.core, 1.0)
        self._chosen: dict[KernelCall, Candidate] = {}
        self._found: dict[KernelCall, list[Candidate]] = {}
        self._estimates: dict[KernelCall, int] = {}
        self._reads: dict[KernelCall, tuple[object, ConstantReads]] = {}
        self._code_bytes: dict[str, int] = {}
        self._variants: dict[KernelCall, list[KernelCall]] = {}
        self._users: Counter[str] = Counter()  # calls of each kernel and of each part of kernels
        self._stored: set[tuple[object, ...]] = set()  # weights, and how they are laid out
        calls = [call for step in steps for call in step.calls]
        flash_bytes = sum(_constant_bytes(call) + _STEP_CODE_BYTES for call in calls)
        # What fits as a whole is there from the inference before.
        cache = goal.flash_cache
        self._cache = None if cache is None or flash_bytes <= cache.size_bytes else cache
        totals = (
            round(sum(min(map(self._effort, self._ways(call))) for call in calls)),
            flash_bytes,
            arena_bytes,
        )
        self.weights = _weights(_SHARES[goal.optimize], totals)
        # A call's scratch says little about the arena: "ram" takes calls as "balanced" does.
        shares = _SHARES["balanced" if goal.optimize == "ram" else goal.optimize]
        self._call_weights = _weights(shares, totals)
        for _ in range(_ROUNDS if self._find else 0):
            for call in sorted(calls, key=portable_instructions, reverse=True):
                self._reconsider(call)

    def step(self, step: Step) -> Step:
        """The step with every call replaced by the best way to compute it."""
        if self._find is None:
            return step
        chosen = {call: self._choose(call, within_loop=bool(step.loops)) for call in step.calls}
        reasons = dict.fromkeys(c.reason for c in chosen.values() if c.reason)
        return replace(
            step,
            calls=tuple(new for choice in chosen.values() for new in choice.calls),
            loops=tuple(_replaced(loop, chosen) for loop in step.loops),
            reason="; ".join([*([step.reason] if step.reason else []), *reasons]),
        )

    def instructions(self, step: Step) -> int:
        """Estimate for one inference."""
        return sum(
            times * (_CALL_INSTRUCTIONS + self._estimates.get(call, self._portable(call)))
            for call, times in _rounds(step).items()
        )

    def effort(self, step: Step) -> float:
        """Instructions, and as many again as its flash misses take cycles: for one inference."""
        if self._cache is None:
            return self.instructions(step)
        reads: dict[object, ConstantReads] = {}
        code: dict[str, int] = {}
        for call, times in _rounds(step).items():
            if call in self._reads:
                key, each = self._reads[call]
                before = reads.get(key, ConstantReads(0, 0))
                size = max(before.size_bytes, each.size_bytes)
                reads[key] = ConstantReads(size, before.times + times * each.times)
                code[call.kernel] = self._code_bytes[call.kernel]
        # Calls in a loop take turns; others come one after the other.
        turns = [list(reads.values())] if step.loops else [[read] for read in reads.values()]
        misses = sum(self._misses(turn, sum(code.values())) for turn in turns)
        return self.instructions(step) + misses

    def _misses(self, reads: Sequence[ConstantReads], code_bytes: int) -> float:
        """Instructions in whose time the processor waits for flash."""
        if self._cache is None:
            return 0.0
        return self._cache.cycles_per_miss * missed_lines(self._cache, reads, code_bytes)

    def _effort(self, way: Candidate) -> float:
        reads = ConstantReads(way.const_bytes, way.passes)
        return way.instructions + self._misses([reads], way.code_bytes)

    def variants(self, call: KernelCall) -> list[KernelCall]:
        """Calls of the same kernel that take more or less scratch, `call` among them; none where
        there is no choice."""
        return self._variants.get(call, [])

    def call_effort(self, call: KernelCall) -> float:
        """As `effort`, of one call of its own."""
        reads, code_bytes = self._reads[call][1], self._code_bytes[call.kernel]
        return self._estimates[call] + self._misses([reads], code_bytes)

    def flash_bytes(self, step: Step) -> int:
        """Bytes by which steps of the same operators differ: parameter structs and calls."""
        lines = sum(len(loop.calls) for loop in step.loops) or len(step.calls)
        fields = sum(len(call.params) for call in step.calls)
        return lines * _CALL_CODE_BYTES + fields * _FIELD_BYTES

    def _portable(self, call: KernelCall) -> int:
        return round(self._portable_factor * portable_instructions(call))

    def _ways(self, call: KernelCall) -> list[Candidate]:
        """The portable call and all that could replace it."""
        if call not in self._found:
            others = [replace(other, leads=call.leads) for other in call.alternatives]
            self._found[call] = [self._portable_way(each) for each in (call, *others)]
            self._found[call] += self._find(call) if self._find else ()
        return self._found[call]

    def _portable_way(self, call: KernelCall) -> Candidate:
        return Candidate(
            (call,),
            instructions=self._portable(call),
            code_bytes=_PORTABLE_CODE_BYTES.get(call.kernel, _STEP_CODE_BYTES),
            const_bytes=_constant_bytes(call),
            scratch_bytes=call.scratch_bytes,
            reason="",
            passes=_portable_passes(call),
        )

    def _choose(self, call: KernelCall, within_loop: bool = False) -> Candidate:
        if call in self._chosen:
            return self._chosen[call]
        # A loop was laid out for the places where the portable kernel may write.
        options = [
            way
            for way in self._ways(call)
            if not (within_loop and call.leads) or way.calls[0].leads == call.leads
        ]
        best = min(options, key=lambda option: self._cost(call, option))
        self._chosen[call] = best
        self._note(call, best)
        alike = [way for way in options if [c.kernel for c in way.calls] == [best.calls[0].kernel]]
        for way in alike if len(alike) > 1 else ():
            self._note(call, way)
            self._variants[way.calls[0]] = [other.calls[0] for other in alike]
        return best

    def _note(self, call: KernelCall, way: Candidate) -> None:
        """Remembers what a way to compute `call` costs."""
        for index, new in enumerate(way.calls):
            self._estimates[new] = 0 if index else way.instructions
        reads = ConstantReads(way.const_bytes, way.passes)
        self._reads[way.calls[0]] = call.params.get("weights", call), reads
        self._code_bytes[way.calls[0].kernel] = way.code_bytes

    def _reconsider(self, call: KernelCall) -> None:
        """Chooses for a call of the program, given what all others use.

        Kernels that exist anyway cost nothing, nor do weights for calls on fewer rows.
        """
        weights = call.params.get("weights")
        previous = self._chosen.pop(call, None)
        if previous is not None:
            self._users.subtract(_names(previous))
        chosen = self._choose(call)
        self._users.update(_names(chosen))
        if isinstance(weights, ConstArray):
            self._stored = {key for key in self._stored if key[0] is not weights}
            self._stored.add((weights, *_layout(chosen)))

    def _cost(self, call: KernelCall, candidate: Candidate) -> float:
        known = all(self._users[new.kernel] > 0 for new in candidate.calls)
        stored = (call.params.get("weights"), *_layout(candidate)) in self._stored
        flash = 0 if stored else candidate.const_bytes
        flash += 0 if known else candidate.code_bytes
        flash += sum(size for name, size in candidate.parts if self._users[name] <= 0)
        return (
            self._call_weights.instruction * self._effort(candidate)
            + self._call_weights.flash_byte * flash
            + self._call_weights.arena_byte * _SCRATCH_SHARE * candidate.scratch_bytes
        )


def _rounds(step: Step) -> dict[KernelCall, int]:
    """How often each call is made."""
    rounds = dict.fromkeys(step.calls, 0 if step.loops else 1)
    for loop in step.loops:
        for made in loop.calls:
            rounds[made.call] += loop.rounds
    return rounds


def _names(candidate: Candidate) -> list[str]:
    """Kernels and parts of kernels that are linked for it."""
    return [*(new.kernel for new in candidate.calls), *(name for name, _ in candidate.parts)]


def _layout(candidate: Candidate) -> tuple[str, str]:
    """Equal for ways that read the same constants."""
    call = candidate.calls[0]
    stored = call.params.get("weights")
    return call.interface, stored.data.dtype.name if isinstance(stored, ConstArray) else ""


def _weights(shares: tuple[float, float, float], totals: tuple[int, int, int]) -> Weights:
    """Costs as shares of the fastest program's instructions and of the portable one's bytes."""
    return Weights(*(share / max(1, total) for share, total in zip(shares, totals, strict=True)))


def _replaced(loop: Loop, chosen: Mapping[KernelCall, Candidate]) -> Loop:
    calls = []
    for made in loop.calls:
        stand_ins = (*made.call.inputs, *made.call.outputs)
        place = dict(zip(stand_ins, made.operands, strict=True))
        calls += [
            ViewCall(new, tuple(_operand(o, place) for o in (*new.inputs, *new.outputs)))
            for new in chosen[made.call].calls
        ]
    return Loop(loop.rounds, tuple(calls))


def _operand(
    operand: Tensor | ConstArray, place: Mapping[Tensor | ConstArray, View | ConstArray]
) -> View | ConstArray:
    return operand if isinstance(operand, ConstArray) else place[operand]


def portable_instructions(call: KernelCall) -> int:
    """Estimate for a portable kernel on a Cortex-M4: sums of products, then outputs.

    The factors are emulated counts of GCC 12.2's code at -O2 on layers of the benchmark models.
    """
    outputs = sum(tensor.size for tensor in call.outputs)
    per_product, per_output = _PORTABLE_COSTS.get(call.kernel, (0.0, 20.0))
    products = outputs
    p = call.params
    if call.kernel in ("conv_2d_s8", "fully_connected_s8"):
        weights = p["weights"]
        assert isinstance(weights, ConstArray)
        products *= weights.data.size // max(1, call.outputs[0].shape[-1])
    elif "kernel_height" in p:
        products *= _integer(p["kernel_height"]) * _integer(p["kernel_width"])
    elif call.kernel == "mean_s8":
        products = sum(t.size for t in call.inputs if isinstance(t, Tensor))
    return round(per_product * products + per_output * outputs)


_PORTABLE_COSTS: Mapping[str, tuple[float, float]] = {
    "conv_2d_s8": (2.7, 60.0),
    "fully_connected_s8": (2.4, 32.0),
    "depthwise_conv_2d_s8": (6.5, 45.0),
    "max_pool_2d_s8": (6.0, 20.0),
    "extremes_2d_s8": (4.5, 25.0),
    "average_pool_2d_s8": (5.0, 40.0),
    "mean_s8": (5.0, 40.0),
    "lookup_s8": (0.0, 5.0),
    "concatenate_s8": (0.0, 0.6),
    "move_bytes": (0.0, 0.75),
    "add_s8": (0.0, 60.0),
    "mul_s8": (0.0, 35.0),
    "softmax_s8": (0.0, 60.0),
    "softmax_computed_s8": (0.0, 210.0),
}


def _portable_passes(call: KernelCall) -> int:
    """Portable kernels read all weights for every pixel or row of the output."""
    if "weights" not in call.params:
        return 1
    return call.outputs[0].size // call.outputs[0].shape[-1]


def _integer(value: FieldValue) -> int:
    assert isinstance(value, int)
    return value


# GCC 12.2, -O2, Cortex-M4.
_PORTABLE_CODE_BYTES: Mapping[str, int] = {
    "conv_2d_s8": 1124,
    "fully_connected_s8": 716,
    "depthwise_conv_2d_s8": 1016,
    "max_pool_2d_s8": 368,
    "extremes_2d_s8": 370,
    "average_pool_2d_s8": 388,
    "mean_s8": 416,
    "lookup_s8": 36,
    "concatenate_s8": 56,
    "move_bytes": 112,
    "add_s8": 788,
    "mul_s8": 436,
    "softmax_s8": 532,
    "softmax_computed_s8": 852,
}


def _constant_bytes(call: KernelCall) -> int:
    arrays = [v for v in (*call.inputs, *call.params.values()) if isinstance(v, ConstArray)]
    return sum(array.data.nbytes for array in arrays) + _FIELD_BYTES * len(call.params)
