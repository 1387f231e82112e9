"""The report as data; its JSON form is the contract of report.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["measured", "emulated", "host"]


@dataclass(frozen=True)
class Scores:
    """Accuracy (share of right classes, 0..1) or reconstruction error (mean squared) of a model.

    Attributes:
        float32: the trained and compressed model on the whole test set; None where there is none.
        int8_host: the converted model in TFLM's interpreter on the whole test set.
        int8_post_training: the same without quantization-aware training; None where there was none
            and `int8_host` is it.
        on_device: the first `samples` test images on the device.
        samples: test images sent to the device.
        on_device_interval: lower and upper end of the interval that Wilson's score gives the
            device's share with 95 % confidence; None where there is none.
        float32_uncompressed: the trained model before compression; None where there was none.
    """

    float32: float | None
    int8_host: float | None
    on_device: float | None
    samples: int
    int8_post_training: float | None = None
    on_device_interval: tuple[float, float] | None = None
    float32_uncompressed: float | None = None


@dataclass(frozen=True)
class Spread:
    """Statistics over the runs of one quantity, warm-ups excluded.

    Attributes:
        median: of an even number of values the lower of the two in the middle.
        p95: by nearest rank, the smallest value that at least 95 % of the values do not exceed;
            only where the quantity varies.
    """

    median: float
    min: float
    max: float
    runs: int
    p95: float | None = None


@dataclass(frozen=True)
class ClockCheck:
    """A board's counter beside other clocks, over the time of the timed inferences.

    Attributes:
        window_s: length of that time, by the counter.
        board_percent: how much more the board's second clock counted; None where it has none.
        host_percent: how much more this computer's clock counted; None for a recorded device.
        host_error_percent: what the serial line's delays leave uncertain of that, either way.
        agree: False where one of them is more than 1 % away from the counter, whatever is
            uncertain.
    """

    window_s: float
    board_percent: float | None
    host_percent: float | None
    host_error_percent: float | None
    agree: bool


@dataclass(frozen=True)
class Golden:
    """Outputs compared with TFLM's, byte for byte.

    Attributes:
        compared: inferences; None where no check was made.
        identical: whether every byte of all of them was equal; None where no check was made.
    """

    compared: int | None
    identical: bool | None


@dataclass(frozen=True)
class OpCost:
    """One executed step.

    Attributes:
        index: of the step's first operator in the .tflite file.
        op: operator name, "A + B" where they are fused.
        output_shape: batch first.
        macs: multiply-accumulates; None for an operator unknown to `pipeline.ops`.
        instructions: emulated instructions of one inference; None where they are not counted.
        us: microseconds in one inference, where the board has a clock.
        reason: why the compiler chose this way to compute it; None where there was no choice.
        estimated_cycles: core cycles of one inference; None where no model of the core applies.
        operators: indices of all operators of the step in the .tflite file.
    """

    index: int
    op: str
    output_shape: tuple[int, ...]
    macs: int | None
    instructions: int | None
    us: float | None = None
    reason: str | None = None
    estimated_cycles: int | None = None
    operators: tuple[int, ...] = ()


@dataclass(frozen=True)
class Confusion:
    """How often a test image of one class was taken for another.

    Attributes:
        where: "device", or "host" for TFLM's interpreter.
        samples: images, the test split's first.
        classes: names, in the order of rows and columns.
        counts: (classes, classes), row = the image's class, column = the model's.
    """

    where: Literal["device", "host"]
    samples: int
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class EstimateBasis:
    """What `estimated_ms` rests on.

    Attributes:
        error_percent: either way.
        basis: what it was calibrated on.
        cycles: what `estimated_cycles` are: the core's alone, or those of its flash too.
        missed_lines: that an inference misses in the modelled flash cache; None where none is.
    """

    error_percent: float
    basis: str
    cycles: Literal["at zero wait states", "with flash"]
    missed_lines: int | None = None


@dataclass(frozen=True)
class CompressionStep:
    """One [[compression]] technique.

    Attributes:
        untuned: accuracy (0..1) or mean squared error right after the change, in float32 on the
            whole test set, and `tuned` after the further training.
        parameters_before, parameters: weights of the Keras model, counted.
        skipped: name of a layer with weights -> why the technique does not apply to it.
        facts: what else the technique tells of the network.
    """

    technique: str
    parameters_before: int
    parameters: int
    untuned: float
    tuned: float
    skipped: Mapping[str, str]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """Everything report.json holds, in its order; None is an unknown quantity.

    A classifier has an accuracy, a model that gives its input back a reconstruction_error.
    """

    model: str
    dataset: str | None
    board: str
    runtime: str
    kind: Kind
    accuracy: Scores | None
    instructions_per_inference: Spread | None
    estimated_cycles: int | None
    estimated_ms: float | None
    latency_us: Spread | None
    model_bytes: int
    flash_bytes: int | None
    ram_bytes: int | None
    code_bytes: int | None
    const_bytes: int | None
    arena_bytes: int | None
    golden: Golden
    per_op: tuple[OpCost, ...]
    versions: Mapping[str, str]
    confusion: Confusion | None = None
    optimize: str | None = None
    estimate: EstimateBasis | None = None
    reconstruction_error: Scores | None = None
    clocks: ClockCheck | None = None
    compression: tuple[CompressionStep, ...] = ()
    quantized_to: str = "int8"

    def to_json(self) -> dict[str, Any]:
        """Plain values for json.dumps, in the order of the attributes."""
        values = dataclasses.asdict(self)
        values["versions"] = dict(self.versions)
        for name in ("instructions_per_inference", "latency_us"):
            if values[name] is not None and values[name]["p95"] is None:
                del values[name]["p95"]
        for name in ("accuracy", "reconstruction_error"):
            if values[name] is not None:
                # "float" is the contract's word; as an attribute it would hide the type.
                values[name] = {
                    key.replace("float32", "float"): value for key, value in values[name].items()
                }
        return values
