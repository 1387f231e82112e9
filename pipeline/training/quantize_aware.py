"""Quantization-aware training (QAT): a trained model is trained on with int8 rounding simulated.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", arXiv:1712.05877, as TensorFlow Model Optimization (tfmot) implements it.
"""

from __future__ import annotations

import functools
import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.spec import AugmentationSpec, QuantizationSpec, TrainingSpec
from pipeline.store import write_if_changed
from pipeline.training.architecture import load_keras_model
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.constraints import Constraints
from pipeline.training.fit import fit
from pipeline.training.history import TrainingHistory, TrainingProgress
from pipeline.training.quantizable import own_layers, quantizable
from pipeline.training.schedule import trained_on
from pipeline.training.tensorflow_setup import tensorflow
from pipeline.training.train import history_of, seeded_keras

_RANGE_IMAGES = 500
_RANGE_PASSES = 4  # what one layer clips is out of sight of the next ones
_MOVED = 0.001  # tfmot's moving averages go this share of the way to a batch's extreme
# The input's range is no moving average: it is as wide as the widest batch.
_AVERAGED_RANGES = re.compile(r"(output|activation)_(min|max):0$")


def quantize_aware(
    keras_file: Path,
    training: TrainingSpec,
    quantization: QuantizationSpec,
    dataset: Dataset,
    weights_file: Path,
    progress: Callable[[TrainingProgress], None] | None = None,
    augmentation: AugmentationSpec | None = None,
    checkpoint: Checkpoint | None = None,
    constraints: Constraints | None = None,
) -> TrainingHistory:
    """Trains a .keras file's model on; saves its weights, for `with_simulated_int8`.

    The same arguments give the same file on the same machine and versions.

    Args:
        training, quantization: see `qat_schedule`.
        weights_file: .npz that appears when it is whole.
        constraints: what compression has left in the weights and must be kept.

    Returns:
        The further epochs; `parameters` counts the value ranges too, accuracy or error are those
        of the simulation on the whole test split.

    Raises:
        ModelError: tfmot cannot quantize a layer, or the loss is no longer a number.
    """
    seeded_keras(training.seed)
    network = _annotated(load_keras_model(keras_file, "qat"))
    _start_ranges(network, dataset)
    schedule = qat_schedule(training, quantization)
    fitted = fit(
        network, schedule, dataset, progress, augmentation, checkpoint, constraints=constraints
    )
    weights = network.get_weights()
    archive = io.BytesIO()
    np.savez(archive, *weights, allow_pickle=False)
    write_if_changed(weights_file, archive.getvalue())
    return history_of(fitted, network, dataset)


def qat_schedule(training: TrainingSpec, quantization: QuantizationSpec) -> TrainingSpec:
    """See `pipeline.training.schedule.trained_on`."""
    return trained_on(training, quantization.qat_epochs, quantization.qat_learning_rate)


def with_simulated_int8(keras_file: Path, weights_file: Path) -> Any:
    """The uncompiled network that `quantize_aware` trained, for conversion.

    Raises:
        ModelError: the weights are not those of this .keras file's model.
    """
    network = _annotated(load_keras_model(keras_file, "convert"))
    try:
        with np.load(weights_file, allow_pickle=False) as archive:
            network.set_weights([archive[name] for name in archive.files])
    except (ValueError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"convert: {weights_file} does not suit {keras_file}: {reason}") from error
    return network


def _start_ranges(network: Any, dataset: Dataset) -> None:
    """Sets the ranges of activations to those of training images.

    tfmot starts them at -6..6. After two epochs of MNIST a third of that is still left, and a
    ReLU's output has a zero point of -69 in place of -128: a quarter of its levels unused, and
    none of the kernels that are made for the whole of int8 fits it.
    """
    every = max(1, len(dataset.train_images) // _RANGE_IMAGES)
    images = dataset.scaling.apply(dataset.train_images[::every][:_RANGE_IMAGES])
    before = network.get_weights()  # a pass moves batch normalization's averages too
    for _ in range(_RANGE_PASSES):
        network(images, training=True)
        after = network.get_weights()
        before = [
            old + (new - old) / _MOVED if _AVERAGED_RANGES.search(variable.name) else old
            for variable, old, new in zip(network.weights, before, after, strict=True)
        ]
        network.set_weights(before)


def _annotated(network: Any) -> Any:
    """A copy of the network whose layers simulate int8 weights and activations."""
    network = quantizable(network)
    simulation, output_only = _simulation()
    from tf_keras.models import clone_model

    def annotated(layer: Any) -> Any:
        if type(layer).__name__ in ("Multiply", *own_layers()):
            return simulation.quantize_annotate_layer(layer, output_only())
        return layer

    try:
        with simulation.quantize_scope({**own_layers(), "OutputOnly": output_only}):
            copy = clone_model(network, clone_function=annotated)
            for layer in network.layers:
                if layer.weights:  # the copy's layers have another order
                    copy.get_layer(layer.name).set_weights(layer.get_weights())
            return simulation.quantize_model(copy)
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"qat: {network.name} cannot be trained quantization-aware: {reason}",
            'set [quantization] mode = "ptq"',
        ) from error


@functools.cache
def _simulation() -> tuple[Any, type[Any]]:
    """tfmot's module, and how it simulates a layer that has no weights: its output alone."""
    tensorflow()
    with warnings.catch_warnings():
        # tfmot imports distutils, which Python 3.11 warns about and still has.
        warnings.simplefilter("ignore", DeprecationWarning)
        import tensorflow_model_optimization as tfmot
    simulation = tfmot.quantization.keras

    class OutputOnly(simulation.QuantizeConfig):  # type: ignore[misc, name-defined]
        def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
            return []

        def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
            return []

        def set_quantize_weights(self, layer: Any, quantize_weights: Any) -> None:
            pass

        def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
            pass

        def get_output_quantizers(self, layer: Any) -> list[Any]:
            return [
                simulation.quantizers.MovingAverageQuantizer(
                    num_bits=8, per_axis=False, symmetric=False, narrow_range=False
                )
            ]

        def get_config(self) -> dict[str, Any]:
            return {}

    return simulation, OutputOnly
