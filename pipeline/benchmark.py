"""Timed inferences of a device that runs a model."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.boards import Counter
from pipeline.device import ClockReading, Device
from pipeline.errors import DeviceError
from pipeline.report.model import ClockCheck, Spread

_PERCENT = 95
_CLOCK_TOLERANCE_PERCENT = 1
# Runs that are asked for at a time: what is lost on the line is repeated no further back.
_RUNS_AT_ONCE = 256


@dataclass(frozen=True)
class BenchmarkResult:
    """Costs of one inference; what the board's counter does not tell is None.

    Attributes:
        instructions: where the counter counts them (emulated boards).
        latency_us: where the counter tells time (boards, host), in microseconds.
        step_instructions: of every step, from a run of its own.
        step_us: duration of every step in microseconds, from a run of its own.
        clocks: the counter beside other clocks; None where no window was asked for.
        arena_bytes: activations, inputs, outputs and scratch, as the device says; None where no
            device says it.
        estimated_cycles: by the method of the board's [estimate]; None where it states none or the
            instrument cannot be had.
        estimated_ms: of the real board, as its [estimate] says; likewise.
        missed_lines: of the flash cache in that; None where no cache is modelled, too.
        step_cycles: estimated cycles of every step; likewise.
    """

    instructions: Spread | None
    latency_us: Spread | None
    step_instructions: tuple[int, ...] | None
    step_us: tuple[float, ...] | None
    arena_bytes: int | None
    estimated_cycles: int | None = None
    estimated_ms: float | None = None
    missed_lines: int | None = None
    step_cycles: tuple[int, ...] | None = None
    clocks: ClockCheck | None = None


def benchmark(
    device: Device,
    counter: Counter,
    data: bytes,
    *,
    warmups: int,
    runs: int,
    window_s: float | None = None,
    in_real_time: bool = True,
) -> BenchmarkResult:
    """Times inferences on one input, then the steps of one more.

    Args:
        counter: of the device's board.
        data: all inputs end to end in the model's order.
        warmups: inferences before, which do not count; 0 to 65535.
        runs: at least so many; 1 to 65535.
        in_real_time: whether this computer's clock says anything: False for a recorded device.
        window_s: time goes on being taken until the timed inferences alone have lasted this long,
            and the device's clocks are compared over it. None for a counter that is no clock.

    Raises:
        DeviceError: the device fails.
    """
    device.write_input(data)
    if window_s is None:
        ticks, clocks = _timed_runs(device, warmups, runs, 0), None
    else:
        before = device.clocks()
        ticks = _timed_runs(device, warmups, runs, window_s * device.info.counter_hz)
        clocks = clock_check(before, device.clocks(), in_real_time)
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
        clocks=clocks,
    )


def _timed_runs(device: Device, warmups: int, runs: int, window_ticks: float) -> list[int]:
    """Ticks of at least `runs` inferences that take at least `window_ticks` together."""
    ticks: list[int] = []
    while len(ticks) < runs or sum(ticks) < window_ticks:
        count = min(runs - len(ticks), _RUNS_AT_ONCE) if len(ticks) < runs else _RUNS_AT_ONCE
        ticks += device.run(0 if ticks else warmups, count).ticks
        if window_ticks and not any(ticks):
            raise DeviceError(
                f"device: {len(ticks)} inferences took no tick of its counter",
                "the counter stands still: reset the board",
            )
    return ticks


def clock_check(before: ClockReading, after: ClockReading, in_real_time: bool = True) -> ClockCheck:
    """What all clocks counted between two readings, beside the device's counter.

    A second clock of the board may have started over in between, as long as it is right to within
    half of its turn. This computer's clock is left out where nothing happens in real time.
    """
    window_s = after.device_s - before.device_s
    if window_s <= 0:
        raise DeviceError(
            f"device: its clock said {before.device_s:g} s, then {after.device_s:g} s",
            "reset the board, and run again",
        )
    board_percent = None
    if before.reference_s is not None and after.reference_s is not None:
        counted_s = after.reference_s - before.reference_s
        off_s = math.remainder(counted_s - window_s, after.reference_turn_s)
        board_percent = 100 * off_s / window_s
    host_percent = 100 * (after.host_s - before.host_s - window_s) / window_s
    error_percent = 100 * (after.host_error_s + before.host_error_s) / window_s
    off_percents = [abs(board_percent or 0)]
    if in_real_time:
        off_percents.append(abs(host_percent) - error_percent)
    return ClockCheck(
        window_s=round(window_s, 6),
        board_percent=None if board_percent is None else round(board_percent, 4),
        host_percent=round(host_percent, 4) if in_real_time else None,
        host_error_percent=round(error_percent, 4) if in_real_time else None,
        agree=max(off_percents) <= _CLOCK_TOLERANCE_PERCENT,
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
