"""A device made of Python behind a link made of Python, whose answers can be disturbed."""

from collections import deque

from pipeline import protocol
from pipeline.device import Device, LinkEndedError, TimeLimits

SHA256 = bytes(range(32))
INFO = protocol.Info(
    1, 16, 25_000_000, 4096, 30, 20, 3, SHA256, "nano33ble_sim", "aot", "0.1.0"
)  # fmt: skip
LIMITS = TimeLimits(greeting_s=10, hello_s=2, reply_s=1, inference_s=5, attempts=3)
GREETING = b"mcu-pipeline nano33ble_sim aot test\r\n" + protocol.encode(INFO, 0)
TICKS = (160, 176, 160, 192)


class FakeDevice:
    """A link with firmware behind it. Time passes only where the host waits in vain.

    Attributes:
        faults: applied to the answers of the next requests, in order: a function of the answer's
            frames that gives the bytes that arrive, or None for no fault.
    """

    interruptions = 0
    reference_hz = 64

    def __init__(self, greeting=GREETING, faults=(), info=INFO):
        self.now = 0.0
        self.requests = []
        self.closed = False
        self.ended = False
        self.faults = deque(faults)
        self._info = info
        self._arriving = deque([greeting] if greeting else [])
        self._reader = protocol.FrameReader()
        self._input = bytearray(info.input_bytes)

    def read(self, limit_s):
        if self._arriving:
            return self._arriving.popleft()
        if self.ended:
            raise LinkEndedError("device: qemu ended with exit code 99")
        self.now += limit_s
        return b""

    def write(self, data):
        for frame in self._reader.feed(data):
            self.requests.append(frame)
            frames = [protocol.encode(reply, frame.sequence) for reply in self._answer(frame)]
            fault = self.faults.popleft() if self.faults else None
            arriving = b"".join(frames) if fault is None else fault(frames)
            if arriving:
                self._arriving.append(arriving)

    def close(self):
        self.closed = True

    def _answer(self, frame):
        match frame.message:
            case protocol.Hello():
                return [self._info]
            case protocol.WriteInput(offset, data):
                self._input[offset : offset + len(data)] = data
                return [protocol.Ack()]
            case protocol.Infer():
                return [protocol.Inferred(160)]
            case protocol.ReadOutput(offset, count):
                return [protocol.Output(offset, bytes(self._input[::-1][offset : offset + count]))]
            case protocol.Run(_, runs):
                ticks = TICKS[:runs]
                done = protocol.RunDone(runs, min(ticks), max(ticks), sum(ticks))
                return [*(protocol.Sample(i, t) for i, t in enumerate(ticks)), done]
            case protocol.Profile():
                return [*(protocol.StepTicks(i, 10 * i) for i in range(3)), protocol.Done(3)]
            case protocol.GetClocks():
                self.now += 0.25
                return [protocol.Clocks(75_000_000, 640, self.reference_hz)]
            case protocol.Check():
                return [*(protocol.StepCrc(i, 7 + i) for i in range(3)), protocol.Done(3)]


def connect(link, **arguments):
    arguments = {"limits": LIMITS, **arguments}
    return Device(link, clock=lambda: link.now, **arguments)


def lost(frames):
    return b""


def corrupted(frames):
    return bytes(b ^ 0x40 if i == 2 else b for i, b in enumerate(b"".join(frames)))


def repeated(frames):
    return b"".join(frames) * 2


def noisy(frames):
    return b"\r\n\0[boot] \xff\0".join([b"brownout", *frames, b"garbage"])


def with_error(code, text):
    def fault(frames):
        sequence = protocol.FrameReader().feed(frames[0])[0].sequence
        return protocol.encode(protocol.ErrorReply(code, text), sequence)

    return fault


INPUT = bytes(range(1, 31))
