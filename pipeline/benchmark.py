"""Timed inferences of a device that runs a model."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.boards import Counter
from pipeline.device import Device
from pipeline.report.model import Spread

_PERCENT = 95


@dataclass(frozen=True)
class BenchmarkResult:
    """Costs of one inference; what the board's counter does not tell is None.

    Attributes:
        instructions: where the counter counts them (emulated boards).
        latency_us: where the counter tells time (boards, host), in microseconds.
        step_instructions: of every step, from a run of its own.
        step_us: duration of every step in microseconds, from a run of its own.
        arena_bytes: activations, inputs, outputs and scratch, as the device says; None where no
            device says it.
        estimated_cycles: core cycles by published instruction timings, zero wait states; None
            where there is no model of the core or the instrument cannot be had.
        estimated_ms: of the real board, as its [estimate] says; likewise.
        step_cycles: estimated cycles of every step; likewise.
    """

    instructions: Spread | None
    latency_us: Spread | None
    step_instructions: tuple[int, ...] | None
    step_us: tuple[float, ...] | None
    arena_bytes: int | None
    estimated_cycles: int | None = None
    estimated_ms: float | None = None
    step_cycles: tuple[int, ...] | None = None


def benchmark(
    device: Device, counter: Counter, data: bytes, *, warmups: int, runs: int
) -> BenchmarkResult:
    """Times inferences on one input, then the steps of one more.

    Args:
        counter: of the device's board.
        data: all inputs end to end in the model's order.
        warmups: inferences before, which do not count; 0 to 65535.
        runs: 1 to 65535.

    Raises:
        DeviceError: the device fails.
    """
    device.write_input(data)
    ticks = device.run(warmups, runs).ticks
    step_ticks = device.profile()
    if counter.unit == "instructions":
        instructions = [_instructions(counter, t) for t in ticks]
        return BenchmarkResult(
            instructions=spread(instructions, percentile=False),
            latency_us=None,
            step_instructions=tuple(_instructions(counter, t) for t in step_ticks),
            step_us=None,
            arena_bytes=device.info.arena_bytes,
        )
    us_per_tick = 1e6 / device.info.counter_hz
    return BenchmarkResult(
        instructions=None,
        latency_us=spread([t * us_per_tick for t in ticks], percentile=True),
        step_instructions=None,
        step_us=tuple(t * us_per_tick for t in step_ticks),
        arena_bytes=device.info.arena_bytes,
    )


def spread(values: Sequence[float], percentile: bool) -> Spread:
    """Statistics of at least one value.

    The median of an even number of values is the lower of the two in the middle and p95 the
    nearest rank, so that both are values that occurred.
    """
    ordered = sorted(values)
    p95 = ordered[math.ceil(len(ordered) * _PERCENT / 100) - 1] if percentile else None
    return Spread(statistics.median_low(ordered), ordered[0], ordered[-1], len(ordered), p95)


def _instructions(counter: Counter, ticks: int) -> int:
    count = counter.instructions(ticks)
    assert count is not None, "a counter of instructions converts ticks"
    return count
