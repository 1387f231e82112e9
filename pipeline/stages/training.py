"""The stages from a spec to an int8 .tflite: they train, quantize and convert with TensorFlow."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.compress import kept_constraints
from pipeline.spec import DataSpec, TrainingSpec
from pipeline.spec.own_files import RUN_MODEL, content_hash, identity, model_file, start_file
from pipeline.stages.run import Run, Stage
from pipeline.store import canonical_key, code_hash, files_hash
from pipeline.target import MODEL, Target

if TYPE_CHECKING:
    from pipeline.data import Dataset
    from pipeline.training.checkpoint import Checkpoint
    from pipeline.training.history import TrainingProgress

KERAS_MODEL = RUN_MODEL
HISTORY = "history.json"
EVENTS = "tensorboard"
POST_TRAINING_MODEL = "post_training_int8.tflite"
QAT_WEIGHTS = "qat_weights.npz"
QAT_HISTORY = "qat_history.json"

COMPRESSED_MODEL = "compressed_{}.keras"  # after so many techniques, from 1

READING = ("pipeline.graph", "pipeline.tflite_reader", "pipeline.ops")


@functools.cache
def load_data(spec: DataSpec) -> Dataset:
    """The data set, loaded once a process."""
    from pipeline import data

    if not spec.name.endswith("/"):
        return data.load(spec.name)
    return data.load(
        spec.name,
        image_size=spec.image_size,
        grayscale=spec.grayscale,
        test_split=spec.test_split,
    )


def data_settings(target: Target) -> tuple[Any, ...] | None:
    """What stages depend on that read the data set; None where there is none."""
    if target.spec is None:
        return None
    data = target.spec.data
    settings: tuple[Any, ...] = identity(data.name)
    if data.name.endswith("/"):
        settings += (data.image_size, data.grayscale, data.test_split)
    return settings


def trained_model(target: Target, techniques: int | None = None) -> Mapping[str, str]:
    """The .keras artifact after so many compression techniques, None for all, and the command that
    makes it."""
    if techniques is None:
        techniques = 0 if target.spec is None else len(target.spec.compression)
    if techniques == 0:
        return {KERAS_MODEL: "train"}
    return {COMPRESSED_MODEL.format(techniques): "compress"}


def trained_file(run: Run, techniques: int | None = None) -> Path:
    """Where `trained_model` is."""
    [name] = trained_model(run.target, techniques)
    return run.folder.file(name)


def packages(*names: str) -> Callable[[Target], Mapping[str, str]]:
    """Versions of Python packages, without importing them."""
    return lambda target: {name: importlib.metadata.version(name) for name in names}


# --- train ---------------------------------------------------------------------------------------


def _train(run: Run) -> Mapping[str, Any]:
    from pipeline.training.train import train

    spec = run.target.experiment
    dataset = load_data(spec.data)
    path = run.folder.file(KERAS_MODEL)
    checkpoint = checkpoint_of(run, TRAIN)
    trained = train(
        spec.model,
        spec.training,
        dataset,
        path,
        shown(run),
        spec.augmentation,
        checkpoint,
        run.folder.file(EVENTS) if spec.training.tensorboard else None,
    )
    run.folder.write_json(HISTORY, trained.history.to_json())
    run.folder.record_seed(spec.training.seed)
    checkpoint.remove()
    history = trained.history
    return {
        "accuracy": history.accuracy,
        "reconstruction_error": history.reconstruction_error,
        "parameters": history.parameters,
    }


def checkpoint_of(run: Run, stage: Stage) -> Checkpoint:
    """Where a training goes on that was ended, while nothing it depends on has changed."""
    from pipeline.training.checkpoint import Checkpoint

    settings, versions = stage.settings(run), dict(stage.versions(run.target))
    inputs = [run.folder.file(name) for name in stage.taken(run.target)]
    key = canonical_key(settings, versions, code_hash(*stage.code), files_hash(*inputs))
    return Checkpoint(run.folder.file(f"{stage.name}_checkpoint.npz"), key)


def shown(run: Run) -> Callable[[TrainingProgress], None]:
    """Shows on the terminal how far a training is."""

    def advanced(at: TrainingProgress) -> None:
        done = (at.epoch - 1) * at.batches + at.batch
        note = f"epoch {at.epoch} of {at.epochs}, loss {at.loss:.4f}"
        if at.accuracy is not None:
            note += f", accuracy {at.accuracy:.4f}"
        run.progress.advanced(done, at.epochs * at.batches, note)

    return advanced


def result_line(result: Mapping[str, Any]) -> str:
    """What a model achieves, from a stage's result: its accuracy or its reconstruction error."""
    if result["accuracy"] is None:
        return f"squared error {result['reconstruction_error']:.5f}"
    return f"accuracy {result['accuracy']:.4f}"


def _train_settings(run: Run) -> tuple[Any, ...]:
    spec = run.target.experiment
    own = model_file(spec.model.name)
    is_saved = own is not None and own.function is None
    training = None if is_saved else spec.training
    return (
        identity(spec.model.name),
        spec.model.parameters,
        data_settings(run.target),
        None if training is None else _placeless(training),
        None if is_saved else spec.augmentation,
    )


def _placeless(training: TrainingSpec) -> TrainingSpec:
    """The section with the content of the model it starts from in place of where that lies."""
    if training.start_from is None:
        return training
    return dataclasses.replace(training, start_from=content_hash(start_file(training.start_from)))


TRAIN = Stage(
    name="train",
    takes={},
    gives=(KERAS_MODEL, HISTORY),
    settings=_train_settings,
    code=(
        "pipeline.models",
        "pipeline.training.architecture",
        "pipeline.data",
        "pipeline.training.table_convolution",
        "pipeline.training.task",
        "pipeline.training.train",
        "pipeline.training",
        "pipeline.training.tensorflow_setup",
    ),
    versions=packages("tensorflow", "tf_keras", "numpy"),
    execute=_train,
    is_training=True,
    summary=lambda r: f"{r['parameters']:,} parameters, test {result_line(r)}",
)

# --- quantization-aware training, and what it is held against -------------------------------------


def is_qat(target: Target) -> bool:
    return target.spec is not None and target.spec.quantization.mode == "qat"


def post_training_settings(run: Run) -> tuple[Any, ...]:
    """Without what quantization-aware training alone depends on."""
    quantization = run.target.experiment.quantization
    return (
        data_settings(run.target),
        quantization.calibration_samples,
        quantization.calibration,
        quantization.calibration_percentile,
        quantization.per_channel,
        quantization.per_channel_dense,
        quantization.seed,
    )


def _post_training(run: Run) -> Mapping[str, Any]:
    from pipeline.accuracy import host_score, score_json
    from pipeline.convert import convert

    spec = run.target.experiment
    dataset = load_data(spec.data)
    model = convert(trained_file(run), dataset, spec.quantization)
    run.folder.write(POST_TRAINING_MODEL, model.content)
    return score_json(host_score(model.content, dataset))


POST_TRAINING = Stage(
    name="post_training",
    takes={},
    gives=(POST_TRAINING_MODEL,),
    settings=post_training_settings,
    code=(
        "pipeline.accuracy",
        "pipeline.training.architecture",
        "pipeline.training.batch_norm_folding",
        "pipeline.training.table_convolution",
        "pipeline.calibration",
        "pipeline.convert",
        "pipeline.data",
        "pipeline.golden",
        "pipeline.analysis.mistakes",
        "pipeline.quantize",
        "pipeline.training.task",
        "pipeline.training.tensorflow_setup",
        *READING,
    ),
    versions=packages("tensorflow", "tf_keras", "ai-edge-litert", "tflite_micro", "numpy"),
    execute=_post_training,
    is_training=True,
    summary=lambda r: f"int8 {result_line(r)} without further training (TFLM)",
    applies=is_qat,
    takes_if=trained_model,
)


def _quantize_aware(run: Run) -> Mapping[str, Any]:
    from pipeline.training.quantize_aware import quantize_aware

    spec = run.target.experiment
    checkpoint = checkpoint_of(run, QUANTIZE_AWARE)
    history = quantize_aware(
        trained_file(run),
        spec.training,
        spec.quantization,
        load_data(spec.data),
        run.folder.file(QAT_WEIGHTS),
        shown(run),
        spec.augmentation,
        checkpoint,
        kept_constraints(spec.compression),
    )
    run.folder.write_json(QAT_HISTORY, history.to_json())
    checkpoint.remove()
    return {
        "accuracy": history.accuracy,
        "reconstruction_error": history.reconstruction_error,
    }


def _quantize_aware_settings(run: Run) -> tuple[Any, ...]:
    from pipeline.training.quantize_aware import qat_schedule

    spec = run.target.experiment
    return (
        data_settings(run.target),
        qat_schedule(spec.training, spec.quantization),
        spec.augmentation,
        *((kept_constraints(spec.compression),) if spec.compression else ()),
    )


QUANTIZE_AWARE = Stage(
    name="quantize_aware",
    takes={},
    gives=(QAT_WEIGHTS, QAT_HISTORY),
    settings=_quantize_aware_settings,
    code=(
        "pipeline.training.architecture",
        "pipeline.training.table_convolution",
        "pipeline.data",
        "pipeline.training.quantize_aware",
        "pipeline.training.task",
        "pipeline.training.train",
        "pipeline.training",
        "pipeline.training.tensorflow_setup",
    ),
    versions=packages("tensorflow", "tf_keras", "tensorflow-model-optimization", "numpy"),
    execute=_quantize_aware,
    is_training=True,
    summary=lambda r: f"test {result_line(r)} with simulated int8",
    applies=is_qat,
    takes_if=trained_model,
)

# --- convert -------------------------------------------------------------------------------------


def _convert(run: Run) -> Mapping[str, Any]:
    from pipeline.convert import convert

    spec = run.target.experiment
    dataset = load_data(spec.data)
    weights = run.folder.file(QAT_WEIGHTS) if is_qat(run.target) else None
    model = convert(trained_file(run), dataset, spec.quantization, weights)
    run.folder.write(MODEL, model.content)
    return {
        "sha256": model.sha256,
        "bytes": len(model.content),
        "quantized_to": "16x8" if spec.quantization.mode == "16x8" else "int8",
    }


CONVERT = Stage(
    name="convert",
    takes={},
    gives=(MODEL,),
    settings=lambda run: (run.target.experiment.quantization.mode, *post_training_settings(run)),
    code=(
        "pipeline.training.architecture",
        "pipeline.training.batch_norm_folding",
        "pipeline.training.table_convolution",
        "pipeline.calibration",
        "pipeline.convert",
        "pipeline.data",
        "pipeline.training.quantizable",
        "pipeline.training.quantize_aware",
        "pipeline.training.tensorflow_setup",
        *READING,
    ),
    versions=packages("tensorflow", "tf_keras", "ai-edge-litert", "numpy"),
    execute=_convert,
    takes_if=lambda target: {
        **trained_model(target),
        **({QAT_WEIGHTS: "convert"} if is_qat(target) else {}),
    },
    summary=lambda r: f"{r.get('quantized_to', 'int8')} .tflite of {r['bytes']:,} bytes",
)
