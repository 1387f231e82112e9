"""What is asked of a device and what it gives, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TimeLimits:
    """How long to wait for a device.

    Attributes:
        greeting_s: from opening the link to the first INFO.
        hello_s: silence after which a device that may have greeted long ago is asked.
        reply_s: for a reply to a request that runs no inference.
        inference_s: for one inference.
        attempts: how often a request is sent before the device counts as silent.
    """

    greeting_s: float = 10.0
    hello_s: float = 2.0
    reply_s: float = 3.0
    inference_s: float = 30.0
    attempts: int = 3


@dataclass(frozen=True)
class Inference:
    """One inference.

    Attributes:
        outputs: all outputs end to end in the model's order.
        ticks: of the device's counter, for the inference alone.
    """

    outputs: bytes
    ticks: int


@dataclass(frozen=True)
class RunResult:
    """Timed inferences on the same input.

    Attributes:
        ticks: one value for every run, warm-ups excluded, in the order of execution.
    """

    ticks: tuple[int, ...]


@dataclass(frozen=True)
class ClockReading:
    """A device's clocks at one moment, beside this computer's.

    Attributes:
        device_s: by the counter that times inferences, since the device's reset.
        reference_s: by the board's second clock; None where it has none.
        reference_turn_s: when that starts over; 0 where there is none.
        host_s: by this computer's clock, in the middle between request and reply.
        host_error_s: half the time between them.
    """

    device_s: float
    reference_s: float | None
    reference_turn_s: float
    host_s: float
    host_error_s: float
