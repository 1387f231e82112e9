"""What a counter's ticks become: instructions or microseconds, never both."""

from types import SimpleNamespace

import pytest

from pipeline.accuracy import ClassifierAccuracy
from pipeline.benchmark import benchmark, clock_check, spread
from pipeline.boards import Counter
from pipeline.device import ClockReading
from pipeline.errors import DeviceError
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


class Board:
    """A device with a 1 MHz counter: every inference takes `ticks`, clocks give `readings`."""

    info = SimpleNamespace(counter_hz=1_000_000, arena_bytes=64)

    def __init__(self, ticks, readings):
        self._ticks, self._readings = ticks, list(readings)
        self.asked = []

    def write_input(self, data):
        pass

    def clocks(self):
        return self._readings.pop(0)

    def run(self, warmups, runs):
        self.asked.append((warmups, runs))
        return SimpleNamespace(ticks=[self._ticks] * runs)

    def profile(self):
        return (1,)


START = ClockReading(7.0, 4.0, 50.0, 100.0, 0.001)
LATER = ClockReading(9.0, 6.0, 50.0, 102.0, 0.001)


@pytest.mark.parametrize(
    ("ticks", "asked"),
    [
        (40_000, [(3, 30)]),
        (33_333, [(3, 30), (0, 256)]),  # 30 of them take 10 us less than a second
        (1_000, [(3, 30), *[(0, 256)] * 4]),
    ],
)
def test_a_board_is_timed_for_a_second_at_least(ticks, asked):
    board = Board(ticks, [START, LATER])
    result = benchmark(board, Counter("time"), b"", warmups=3, runs=30, window_s=1.0)
    assert board.asked == asked
    runs = sum(count for _, count in asked)
    assert result.latency_us == Spread(ticks, ticks, ticks, runs, p95=ticks)
    assert runs * ticks >= 1_000_000
    assert result.clocks.agree


def test_many_runs_are_asked_for_in_parts_with_one_warm_up():
    board = Board(1, [])
    result = benchmark(board, Counter("time"), b"", warmups=2, runs=600)
    assert board.asked == [(2, 256), (0, 256), (0, 88)]
    assert result.latency_us.runs == 600
    assert result.clocks is None


def test_a_counter_that_stands_still_is_found():
    board = Board(0, [START, LATER])
    with pytest.raises(
        DeviceError, match=r"30 inferences took no tick of its counter; the counter"
    ):
        benchmark(board, Counter("time"), b"", warmups=0, runs=30, window_s=1.0)


def reading(device_s, reference_s, host_s, error_s=0.001, turn_s=17.9):
    return ClockReading(device_s, reference_s, turn_s, host_s, error_s)


@pytest.mark.parametrize(
    ("end", "board_percent", "host_percent", "agree"),
    [
        (reading(20, 17.0, 10), 0, 0, True),
        (reading(20, 17.09, 10.09), 0.9, 0.9, True),
        (reading(20, 17.11, 10), 1.1, 0, False),
        (reading(20, 16.89, 10), -1.1, 0, False),
        (reading(20, None, 10.11), None, 1.1, False),
        # 11 ms of the 110 may be the serial line's.
        (reading(20, None, 10.11, error_s=0.01), None, 1.1, True),
        # The second clock starts over after 17.9 s: 7 + 30 s, less a turn, and less two.
        (reading(40, 37 - 17.9, 30), 0, 0, True),
        (reading(40, 37.3 - 2 * 17.9, 30), 1, 0, True),
        (reading(40, 37.6 - 2 * 17.9, 30), 2, 0, False),
        # 40 and not 26 MHz of crystal: everything on the board agrees, and is wrong.
        (reading(20, 17, 6.5), 0, -35, False),
    ],
)
def test_clocks_more_than_a_percent_apart_are_told(end, board_percent, host_percent, agree):
    check = clock_check(reading(10, None if end.reference_s is None else 7, 0), end)
    assert check.board_percent == (
        None if board_percent is None else pytest.approx(board_percent, abs=1e-6)
    )
    assert check.host_percent == pytest.approx(host_percent)
    assert check.agree is agree


def test_a_clock_that_goes_back_is_refused():
    with pytest.raises(DeviceError, match=r"its clock said 9 s, then 7 s; reset the board"):
        clock_check(LATER, START)


@pytest.mark.parametrize(
    ("correct", "samples", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons_as_published(correct, samples, low, high):
    interval = ClassifierAccuracy(correct, samples, ()).interval
    assert interval == pytest.approx((low, high), abs=5e-5)
