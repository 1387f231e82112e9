"""The host's side of docs/protocol.md over any Link."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

from pipeline import protocol
from pipeline.device.link import Link, LinkEndedError
from pipeline.device.messages import (
    LONGEST_TEXT,
    OTHER_FIRMWARE,
    check_info,
    item_count,
    item_entry,
    message_name,
    one_line,
    readable,
    unexpected,
)
from pipeline.device.results import ClockReading, Inference, RunResult, TimeLimits
from pipeline.errors import DeviceError

_GREETING_SEQUENCE = 0
_LAST_SEQUENCE = 255
_MOST_RUNS = 0xFFFF
_CHECK_LINE = "reset the board; check cable and supply, and that no other program uses the port"
_UNKNOWN_REQUEST = 1  # code of an ERROR
_REFERENCE_TURN = 2**32  # ticks after which a device's second clock starts over

R = TypeVar("R", bound=protocol.Reply)
T = TypeVar("T")


class Device:
    """A device that runs benchmark firmware. A context manager; closes its link.

    Every method raises DeviceError where the device stays silent, ends, restarts, reports an
    error, or answers what the protocol does not allow.

    Attributes:
        info: what the device said of itself.
    """

    def __init__(
        self,
        link: Link,
        *,
        model_sha256: str | None = None,
        log: BinaryIO | None = None,
        limits: TimeLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Waits for the greeting.

        Args:
            model_sha256: hexadecimal digest of the .tflite that the device must run, if it matters.
            log: takes every byte as received, and between them every request as it is sent.
            clock: seconds; what the time limits are measured with.
        """
        self._link = link
        self._log = log
        self._limits = limits or TimeLimits()
        self._clock = clock
        self._reader = protocol.FrameReader()
        self._frames: deque[protocol.Frame] = deque()
        self._pending = b""  # received, and not looked at yet
        self._sequence = _GREETING_SEQUENCE
        self._staged: bytes | None = None
        self._noise_when_staged = 0
        try:
            self.info = self._greeting()
            check_info(self.info, model_sha256)
        except BaseException:
            link.close()
            raise
        self._interruptions = link.interruptions

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._link.close()

    @property
    def noise_bytes(self) -> int:
        """Received bytes that belong to no valid frame: text and damage."""
        return self._reader.noise_bytes

    @property
    def _stray_bytes(self) -> int:
        """Noise, and what may become some."""
        return self.noise_bytes + len(self._reader.unfinished)

    def write_input(self, data: bytes) -> None:
        """Stages all inputs, end to end in the model's order, for every inference that follows.

        Raises:
            DeviceError: also where `data` is not as long as the device says its inputs are.
        """
        if len(data) != self.info.input_bytes:
            raise DeviceError(
                f"device: takes {self.info.input_bytes} bytes of input, the model has {len(data)}",
                "flash the firmware that was built for this model",
            )
        self._look_at_all()
        self._staged = data
        self._noise_when_staged = self._stray_bytes
        for offset in range(0, len(data), self._chunk_bytes):
            chunk = data[offset : offset + self._chunk_bytes]
            self._request(protocol.WriteInput(offset, chunk), protocol.Ack, self._limits.reply_s)

    def infer(self, data: bytes) -> Inference:
        """One inference on `data`, which is staged as by `write_input`."""
        self.write_input(data)
        return self._on_staged_input(self._infer)

    def _infer(self) -> Inference:
        inferred = self._request(protocol.Infer(), protocol.Inferred, self._limits.inference_s)
        outputs = bytearray()
        while len(outputs) < self.info.output_bytes:
            count = min(self._chunk_bytes, self.info.output_bytes - len(outputs))
            request = protocol.ReadOutput(len(outputs), count)
            output = self._request(request, protocol.Output, self._limits.reply_s)
            if (output.offset, len(output.data)) != (request.offset, request.count):
                raise DeviceError(
                    f"device: gave {len(output.data)} bytes of output from {output.offset}, "
                    f"asked for {count} from {request.offset}"
                )
            outputs += output.data
        return Inference(bytes(outputs), inferred.ticks)

    def run(self, warmups: int, runs: int) -> RunResult:
        """Times inferences on the staged input.

        Args:
            warmups: untimed inferences before, 0 to 65535.
            runs: 1 to 65535.

        Raises:
            DeviceError: also where the device's own statistics are not those of its samples.
        """
        if not (0 <= warmups <= _MOST_RUNS and 1 <= runs <= _MOST_RUNS):
            raise ValueError(
                f"{warmups} warm-ups and {runs} runs: 1 to {_MOST_RUNS} runs at a time"
            )
        request = protocol.Run(warmups, runs)
        limit_s = self._limits.inference_s * (warmups + 1)
        ticks, done = self._on_staged_input(
            lambda: self._stream(request, protocol.Sample, protocol.RunDone, runs, limit_s)
        )
        statistics = (done.runs, done.min_ticks, done.max_ticks, done.total_ticks)
        if len(ticks) != runs or statistics != (runs, min(ticks), max(ticks), sum(ticks)):
            raise DeviceError(
                f"device: its statistics of {done.runs} runs do not match the {len(ticks)} samples "
                f"it sent ({runs} runs asked for)"
            )
        return RunResult(tuple(ticks))

    def profile(self) -> tuple[int, ...]:
        """Ticks of every step of one inference on the staged input."""
        return self._steps(protocol.Profile(), protocol.StepTicks)

    def check(self) -> tuple[int, ...]:
        """CRC-32 over every step's output tensors, in one inference on the staged input."""
        return self._steps(protocol.Check(), protocol.StepCrc)

    def clocks(self) -> ClockReading:
        """Reads all clocks."""
        asked_s = self._clock()
        got = self._request(protocol.GetClocks(), protocol.Clocks, self._limits.reply_s)
        answered_s = self._clock()
        hz = got.reference_hz
        return ClockReading(
            device_s=got.counter / self.info.counter_hz,
            reference_s=got.reference / hz if hz else None,
            reference_turn_s=_REFERENCE_TURN / hz if hz else 0,
            host_s=(asked_s + answered_s) / 2,
            host_error_s=(answered_s - asked_s) / 2,
        )

    @property
    def _chunk_bytes(self) -> int:
        """Longest piece of inputs or outputs in one frame."""
        return self.info.max_payload - protocol.OFFSET_BYTES

    def _steps(
        self, request: protocol.Profile | protocol.Check, item: type[protocol.Reply]
    ) -> tuple[int, ...]:
        count, limit_s = self.info.step_count, self._limits.inference_s
        values, done = self._on_staged_input(
            lambda: self._stream(request, item, protocol.Done, count, limit_s)
        )
        if not len(values) == done.count == self.info.step_count:
            raise DeviceError(
                f"device: {message_name(request)} gave {len(values)} of {self.info.step_count} "
                "steps"
            )
        return tuple(values)

    def _on_staged_input(self, work: Callable[[], T]) -> T:
        """The result of work on the staged input that no noise has put in doubt.

        Bytes that are no frame may have been the greeting of a device that was reset: its staged
        input is lost then. So the input is staged again and the work done again, which changes no
        result.
        """
        for _ in range(self._limits.attempts):
            result = work()
            if self._staged is None or self._stray_bytes == self._noise_when_staged:
                return result
            self.write_input(self._staged)
        raise DeviceError(
            f"device: bytes that belong to no frame came in {self._limits.attempts} times, "
            f"which may hide a reset{self._last_text()}",
            _CHECK_LINE,
        )

    def _request(self, request: protocol.Request, expected: type[R], limit_s: float) -> R:
        """Sends until the one reply is there: a request may be executed twice."""
        sequence = self._next_sequence()
        for _ in range(self._limits.attempts):
            self._send(request, sequence)
            reply = self._reply(request, sequence, limit_s)
            if isinstance(reply, expected):
                return reply
            if reply is not None:
                raise unexpected(request, reply)
        raise self._silent(request, limit_s)

    def _stream(
        self,
        request: protocol.Request,
        item: type[protocol.Reply],
        end: type[R],
        count: int,
        limit_s: float,
    ) -> tuple[list[int], R]:
        """Sends until a complete stream is there: the values of items 0, 1, ... and the end.

        Values of two executions are never mixed: item 0 starts over, a gap spoils what follows.

        Args:
            count: of items that one execution sends.
            limit_s: for each of them.
        """
        sequence = self._next_sequence()
        left = count * self._limits.attempts
        for _ in range(self._limits.attempts):
            self._send(request, sequence)
            values: list[int] = []
            whole = True
            while (reply := self._reply(request, sequence, limit_s)) is not None:
                if isinstance(reply, end):
                    if whole and len(values) == item_count(reply):
                        return values, reply
                    break
                if not isinstance(reply, item):
                    raise unexpected(request, reply)
                left -= 1
                if left < 0:
                    raise DeviceError(f"device: sends more than {message_name(request)} asked for")
                index, value = item_entry(reply)
                if index == 0:
                    values, whole = [], True
                whole = whole and index == len(values)
                values.append(value)
        raise self._silent(request, limit_s)

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % _LAST_SEQUENCE + 1
        return self._sequence

    def _send(self, request: protocol.Request, sequence: int) -> None:
        frame = protocol.encode(request, sequence)
        if self._log is not None:
            self._log.write(frame)
        self._link.write(frame)

    def _reply(
        self, request: protocol.Request, sequence: int, limit_s: float
    ) -> protocol.Message | None:
        """The next message with this sequence number, or None where none comes in time."""
        deadline = self._clock() + limit_s
        while (frame := self._frame(deadline, request)) is not None:
            if frame.sequence == _GREETING_SEQUENCE:
                raise self._restarted(request)
            if frame.sequence != sequence:
                continue  # late, from a request that was sent twice
            message = frame.message
            if isinstance(message, protocol.ErrorReply):
                text = one_line(message.text)
                raise DeviceError(
                    f"device: refuses {message_name(request)}: error {message.code}, {text}",
                    OTHER_FIRMWARE if message.code == _UNKNOWN_REQUEST else None,
                )
            return message
        return None

    def _frame(
        self, deadline: float, request: protocol.Request | None = None
    ) -> protocol.Frame | None:
        """The next frame, or None after `deadline`. Whatever comes in is logged.

        Raises:
            DeviceError: during `request`, the link was interrupted: a greeting may have been lost
                with what else was, and the staged input with it.
        """
        while not self._frames:
            if self._pending:
                self._look_at(self._pending.find(protocol.DELIMITER) + 1 or len(self._pending))
                continue
            rest_s = deadline - self._clock()
            if rest_s <= 0:
                return None
            try:
                data = self._link.read(rest_s)
            except LinkEndedError as error:
                raise DeviceError(f"{error}{self._last_text()}") from error
            if request is not None and self._link.interruptions != self._interruptions:
                raise self._restarted(request)
            if self._log is not None:
                self._log.write(data)
            self._pending = data
        return self._frames.popleft()

    def _look_at(self, count: int) -> None:
        """Takes the first of the pending bytes.

        One piece between delimiters at a time: so what is known when a frame is taken depends on
        the order of the bytes alone, not on how many the link gave at once, and a log tells it all.
        """
        self._frames.extend(self._reader.feed(self._pending[:count]))
        self._pending = self._pending[count:]

    def _look_at_all(self) -> None:
        """Before a request that begins anew: what came until now belongs to none that follows."""
        self._look_at(len(self._pending))
        if any(frame.sequence == _GREETING_SEQUENCE for frame in self._frames):
            return  # of a device that was reset: the next request finds it
        self._frames.clear()

    def _greeting(self) -> protocol.Info:
        """Awaits INFO: the greeting's after a reset, or the answer to a HELLO."""
        end = self._clock() + self._limits.greeting_s
        while self._clock() < end:
            deadline = min(end, self._clock() + self._limits.hello_s)
            while (frame := self._frame(deadline)) is not None:
                message = frame.message
                if isinstance(message, protocol.Info):
                    return message
            self._send(protocol.Hello(), self._next_sequence())
        raise self._no_greeting()

    def _no_greeting(self) -> DeviceError:
        message = f"device: no greeting within {self._limits.greeting_s:g} s"
        text = self._last_text()
        count = self._stray_bytes
        if count and not text:
            return DeviceError(
                f"{message}; {count:,} bytes came that are neither frames nor text",
                "check that firmware and board file state the same baud rate",
            )
        return DeviceError(
            f"{message}{text}", "check that this firmware was flashed, and reset the board"
        )

    def _restarted(self, request: protocol.Request) -> DeviceError:
        return DeviceError(
            f"device: restarted during {message_name(request)}{self._last_text()}",
            "the staged input is lost: run again",
        )

    def _silent(self, request: protocol.Request, limit_s: float) -> DeviceError:
        return DeviceError(
            f"device: no whole reply to {message_name(request)} within {limit_s:g} s, "
            f"asked {self._limits.attempts} times{self._last_text()}",
            _CHECK_LINE,
        )

    def _last_text(self) -> str:
        """What the device said outside of frames since the last one, such as a fault."""
        text = self._reader.unfinished.decode("ascii", "replace")
        lines = [line for line in map(str.strip, text.splitlines()) if readable(line)]
        return f'; its last text: "{lines[-1][:LONGEST_TEXT]}"' if lines else ""
