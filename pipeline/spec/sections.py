"""The sections of a spec as frozen dataclasses; the rule of a field says which values it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pipeline.aot.goal import Optimize
from pipeline.spec.rules import (
    FOLDER_NAME,
    IMAGE_SIZE,
    LEARNING_RATE,
    MAX_SEED,
    PARAMETERS,
    SAMPLES,
    SWITCH,
    TEXT,
    ParameterValue,
    choice,
    integer,
    number,
)

if TYPE_CHECKING:  # its settings have rules, which are of this package
    from pipeline.compress import FineTuning

Optimizer: TypeAlias = Literal["adam", "sgd"]
Decay: TypeAlias = Literal["none", "step", "cosine"]
Reduction: TypeAlias = Literal["mean", "sum"]
QuantizationMode: TypeAlias = Literal["ptq", "qat", "16x8"]
Calibration: TypeAlias = Literal["min-max", "percentile", "error"]
Runtime: TypeAlias = Literal["aot", "tflm"]

_MAX_COUNT = 65_535  # of runs and warmups: 16 bits in the serial protocol


@dataclass(frozen=True)
class ModelSpec:
    """[model]: what is trained, and its parameters' values.

    Attributes:
        name: of a registered architecture; or "path/to/file.py:function" of one's own; or
            "path/to/model.keras" of a saved model, which is not trained. Paths are absolute once
            a spec is read; in the file they start at its folder.
    """

    name: Annotated[str, TEXT]
    parameters: Annotated[Mapping[str, ParameterValue], PARAMETERS] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSpec:
    """[data]: a data set by its registered name, or a path to an .npz file or to a folder with a
    folder of images for each class, which ends in "/".

    Attributes:
        image_size, grayscale, test_split: of a folder of images; see `pipeline.data.image_folder`.
    """

    name: Annotated[str, TEXT]
    image_size: Annotated[tuple[int, int] | None, IMAGE_SIZE] = None
    grayscale: Annotated[bool, SWITCH] = False
    test_split: Annotated[float, number(0.01, 0.99)] = 0.2


@dataclass(frozen=True)
class TrainingSpec:
    """[training]: how the weights are moved.

    Attributes:
        momentum: of "sgd" only.
        learning_rate, decay, decay_every, decay_factor, warmup_epochs: see
            `pipeline.training.schedule`; `decay_every` counts epochs.
        loss_reduction: of the cross-entropy over a batch. Under "sum" a learning rate moves the
            weights batch_size times as far as under "mean".
        clip_norm: largest norm of all gradients together; None does not limit it.
        dropout: share of every dense layer's inputs that a training step sets to 0.
        l2: factor of the sum of squared kernels (of dense and convolutional layers, not biases)
            in what is minimised, which is the loss after its reduction.
        validation_split: share of the training images kept apart, never trained on.
        patience: epochs without a lower validation loss after which the training ends, and the
            weights of the best epoch are taken; 0 trains all epochs.
        curve_every: updates between two points of the learning curves; 0 for none.
        start_from: run folder or .keras file whose weights layers of the same name begin with.
        freeze_until: layer up to which weights stay as they are.
        tensorboard: whether the run folder's tensorboard/ gets the metrics of every epoch.
        seed: settles initial weights, the order of the samples, and all other chance.
    """

    epochs: Annotated[int, integer(1, 100_000)] = 5
    batch_size: Annotated[int, integer(1, 1_000_000)] = 100
    optimizer: Annotated[Optimizer, choice(Optimizer)] = "adam"
    momentum: Annotated[float, number(0, 0.9999)] = 0.0
    learning_rate: Annotated[float, LEARNING_RATE] = 0.001
    decay: Annotated[Decay, choice(Decay)] = "none"
    decay_every: Annotated[int, integer(1, 100_000)] = 1
    decay_factor: Annotated[float, number(0, 1)] = 0.5
    warmup_epochs: Annotated[int, integer(0, 100_000)] = 0
    loss_reduction: Annotated[Reduction, choice(Reduction)] = "mean"
    clip_norm: Annotated[float | None, number(1e-6, 1e6)] = None
    dropout: Annotated[float, number(0, 0.95)] = 0.0
    l2: Annotated[float, number(0, 1000)] = 0.0
    validation_split: Annotated[float, number(0, 0.9)] = 0.0
    patience: Annotated[int, integer(0, 100_000)] = 0
    curve_every: Annotated[int, integer(0, 10_000_000)] = 0
    start_from: Annotated[str | None, TEXT] = None
    freeze_until: Annotated[str | None, TEXT] = None
    tensorboard: Annotated[bool, SWITCH] = False
    seed: Annotated[int, integer(0, MAX_SEED)] = 0


@dataclass(frozen=True)
class AugmentationSpec:
    """[augmentation]: how training images are changed at random; see `pipeline.training`.

    Attributes:
        shift: largest way in pixels, in both directions.
        rotate: largest angle in degrees.
        zoom: largest change of size, as a share: 0.1 is from 1 / 1.1 to 1 / 0.9 times.
        flip: left and right change places in half of the images.
        noise: standard deviation of what is added to every value, as the model sees it.
        cutout: side in pixels of a square that is set to 0.
    """

    shift: Annotated[float, number(0, 1000)] = 0.0
    rotate: Annotated[float, number(0, 180)] = 0.0
    zoom: Annotated[float, number(0, 0.9)] = 0.0
    flip: Annotated[bool, SWITCH] = False
    noise: Annotated[float, number(0, 100)] = 0.0
    cutout: Annotated[int, integer(0, 10_000)] = 0


@dataclass(frozen=True)
class QuantizationSpec:
    """[quantization]: seed settles which training samples calibrate the value ranges.

    Attributes:
        mode: "ptq", post-training quantization to int8; "qat", the float model is trained on with
            quantization simulated, and held against "ptq"; "16x8", post-training with 16 bits
            for activations, which TFLM computes and the aot runtime does not.
        qat_epochs: more epochs, of "qat" only; all but their number and learning rate is as
            [training] says.
        qat_learning_rate: of these epochs.
        calibration: with "ptq", the range of an activation over the calibration samples: from its
            smallest to its largest value; without the outer values beyond a percentile; or that
            with the least squared error of rounding and clipping.
        calibration_percentile: share in percent of the values that "percentile" keeps in range.
        per_channel: a scale per output channel of a convolution instead of one for all; "qat"
            trains with that.
        per_channel_dense: with "ptq", a scale per output of a dense layer instead of one for all;
            TFLM libraries of early 2023 compute garbage from such a file.
    """

    mode: Annotated[QuantizationMode, choice(QuantizationMode)] = "ptq"
    qat_epochs: Annotated[int, integer(1, 100_000)] = 2
    qat_learning_rate: Annotated[float, LEARNING_RATE] = 0.001
    calibration_samples: Annotated[int, integer(1, 1_000_000)] = 200
    calibration: Annotated[Calibration, choice(Calibration)] = "min-max"
    calibration_percentile: Annotated[float, number(50, 100)] = 99.99
    per_channel: Annotated[bool, SWITCH] = True
    per_channel_dense: Annotated[bool, SWITCH] = False
    seed: Annotated[int, integer(0, MAX_SEED)] = 0


@dataclass(frozen=True)
class BoardSpec:
    """[board]: runtime None is the board's default.

    Attributes:
        optimize: what the aot runtime's code minimises.
    """

    id: Annotated[str, TEXT] = "nano33ble_sim"
    runtime: Annotated[Runtime | None, choice(Runtime)] = None
    optimize: Annotated[Optimize, choice(Optimize)] = "balanced"


@dataclass(frozen=True)
class BenchmarkSpec:
    """[benchmark]: timed inferences, those before them that do not count, and test samples sent.

    Attributes:
        samples: how many of the test split's first samples are validated and classified on the
            device.
    """

    runs: Annotated[int, integer(1, _MAX_COUNT)] = 30
    warmups: Annotated[int, integer(0, _MAX_COUNT)] = 3
    samples: Annotated[int | Literal["all"], SAMPLES] = 1000


@dataclass(frozen=True)
class SearchSpec:
    """[search]: how `mcu-pipeline search` shrinks the network; see `pipeline.search`.

    Attributes:
        step: share of the exceeded cost that a step removes at least.
        multiple: numbers of channels that are tried are multiples of it and, below it, all.
        tune_samples: training images that each proposal is trained on, others in every step.
        tune_epochs, tune_learning_rate: of that training; the rest is as [training] says.
        runs: networks of the trade-off curve that are trained to the end, besides the one that
            meets the budget.
        epochs, learning_rate: of that training; 0 epochs leave them as the search does.
        teacher_share: how much of it is learned from the starting network instead of the labels;
            alpha in `pipeline.compress.distill`.
        temperature: of the distillation.
    """

    step: Annotated[float, number(0.001, 0.9)] = 0.1
    multiple: Annotated[int, integer(1, 1024)] = 2
    tune_samples: Annotated[int, integer(1, 10_000_000)] = 20_000
    tune_epochs: Annotated[int, integer(1, 100_000)] = 1
    tune_learning_rate: Annotated[float, LEARNING_RATE] = 0.001
    runs: Annotated[int, integer(0, 100)] = 2
    epochs: Annotated[int, integer(0, 100_000)] = 10
    learning_rate: Annotated[float, LEARNING_RATE] = 0.001
    teacher_share: Annotated[float, number(0, 1)] = 0.5
    temperature: Annotated[float, number(0.1, 100)] = 4.0


@dataclass(frozen=True)
class ExperimentSpec:
    """One experiment; each stage receives its own section only.

    Attributes:
        name: first part of the run folder's name; the spec file's name where it is not given.
        compression: [[compression]] tables, settings of registered techniques, applied in order
            between training and quantization.
    """

    name: Annotated[str, FOLDER_NAME]
    model: ModelSpec
    data: DataSpec
    training: TrainingSpec = TrainingSpec()
    augmentation: AugmentationSpec = AugmentationSpec()
    quantization: QuantizationSpec = QuantizationSpec()
    board: BoardSpec = BoardSpec()
    benchmark: BenchmarkSpec = BenchmarkSpec()
    compression: tuple[FineTuning, ...] = ()
    search: SearchSpec = SearchSpec()


SECTIONS: dict[str, type[Any]] = {
    "model": ModelSpec,
    "data": DataSpec,
    "training": TrainingSpec,
    "augmentation": AugmentationSpec,
    "quantization": QuantizationSpec,
    "board": BoardSpec,
    "benchmark": BenchmarkSpec,
    "search": SearchSpec,
}
