"""What a counter's ticks become: instructions or microseconds, never both."""

from types import SimpleNamespace

import pytest

from pipeline.benchmark import benchmark, spread
from pipeline.boards import Counter
from pipeline.report.model import Spread


class Replay:
    """A device with a 25 MHz counter that gives these ticks."""

    info = SimpleNamespace(counter_hz=25_000_000, arena_bytes=4096)

    def __init__(self, ticks, step_ticks):
        self._ticks, self._step_ticks = ticks, step_ticks

    def write_input(self, data):
        self.staged = data

    def run(self, warmups, runs):
        assert (warmups, runs) == (3, len(self._ticks))
        return SimpleNamespace(ticks=self._ticks)

    def profile(self):
        return self._step_ticks


def test_an_instruction_counter_gives_instructions_and_no_time():
    device = Replay(ticks=(1600, 1602, 1600, 1600), step_ticks=(160, 1441))
    result = benchmark(device, Counter("instructions", 1.6), b"input", warmups=3, runs=4)
    assert device.staged == b"input"
    assert result.instructions == Spread(median=1000, min=1000, max=1001, runs=4)
    assert result.step_instructions == (100, 901)
    assert (result.latency_us, result.step_us) == (None, None)
    assert (result.estimated_cycles, result.estimated_ms) == (None, None)
    assert result.arena_bytes == 4096


def test_a_clock_gives_microseconds_and_no_instructions():
    device = Replay(ticks=(50, 25, 100), step_ticks=(5, 20))
    result = benchmark(device, Counter("time"), b"", warmups=3, runs=3)
    assert result.latency_us == Spread(median=2.0, min=1.0, max=4.0, runs=3, p95=4.0)
    assert result.step_us == pytest.approx((0.2, 0.8))
    assert (result.instructions, result.step_instructions) == (None, None)


@pytest.mark.parametrize(
    ("values", "median", "p95"),
    [  # nearest rank: ceil(0.95 n)
        ([7], 7, 7),
        ([3, 1], 1, 3),
        (list(range(20, 0, -1)), 10, 19),
        (list(range(1, 22)), 11, 20),
        (list(range(1, 101)), 50, 95),
    ],
)
def test_median_and_p95_are_values_that_occurred(values, median, p95):
    assert spread(values, percentile=True) == Spread(
        median, min(values), max(values), len(values), p95
    )
