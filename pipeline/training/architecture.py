"""From [model] to an untrained tf_keras network: registered, of one's own, or saved."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import math
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import models
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.spec import ModelSpec
from pipeline.spec.near_miss import suggestion
from pipeline.spec.own_files import ModelFile, model_file
from pipeline.training.task import Task, task_of
from pipeline.training.tensorflow_setup import tensorflow


def build_network(model: ModelSpec, dataset: Dataset) -> Any:
    """An uncompiled tf_keras model from images of the data set to probabilities of its classes,
    or to its images again.

    Raises:
        SpecError: the architecture or one of its parameters is unknown.
        ModelError: the images do not suit the architecture; or code of one's own raised, lacks the
            function, or returned something else.
    """
    own = model_file(model.name)
    if own is not None:
        network = _call(own, model, dataset)
        check_network(network, dataset, f"train: {own.path.name}: {own.function}()")
        return network
    definition = models.model(model.name)
    parameters = models.parse_parameters(definition, model.parameters)
    try:
        return definition.build(parameters, dataset.image_shape, len(dataset.class_names))
    except ValueError as error:  # Keras's way to say that a layer's output would be empty
        raise ModelError(
            f"train: {model.name} cannot take images of shape {dataset.image_shape} "
            f"from {dataset.name}: {str(error).splitlines()[0]}"
        ) from error


def load_keras_model(path: Path, stage: str) -> Any:
    """The uncompiled tf_keras model in a .keras or .h5 file.

    Raises:
        ModelError: it is none that this version of tf_keras reads.
    """
    tensorflow()
    from tf_keras.models import load_model

    from pipeline.training.table_convolution import TableConv2D

    try:
        return load_model(path, {"TableConv2D": TableConv2D}, compile=False)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        raise ModelError(
            f"{stage}: {path} is not a Keras model: {_reason(error).rstrip('.')}",
            "one that Keras 3 saved must be built and saved with tf_keras",
        ) from error


def check_network(network: Any, dataset: Dataset, subject: str) -> None:
    """Raises ModelError unless a network takes the data set's images and gives its classes, or as
    many values as an image has."""
    tensorflow()
    from tf_keras import Model

    if not isinstance(network, Model):
        kind = f"{type(network).__module__}.{type(network).__qualname__}"
        raise ModelError(f"{subject} gave {kind}, not a tf_keras model", "import tf_keras for it")
    if not network.built:
        raise ModelError(f"{subject} gave a model without input shape", "begin it with Input")
    for what, found, wanted in (
        ("takes", network.input_shape, (None, *dataset.image_shape)),
        ("gives", network.output_shape, (None, len(dataset.class_names))),
    ):
        if what == "gives" and task_of(math.prod(found[1:]), dataset) is Task.RECONSTRUCTION:
            continue
        if found != wanted and found != (1, *wanted[1:]):
            raise ModelError(f"{subject} {what} shape {found}, {dataset.name} needs {wanted}")


def _call(own: ModelFile, model: ModelSpec, dataset: Dataset) -> Any:
    """What the function returns for (image_shape, classes, **parameters)."""
    tensorflow()
    build = _function(own)
    arguments = (dataset.image_shape, len(dataset.class_names))
    try:
        inspect.signature(build).bind(*arguments, **model.parameters)
    except TypeError as error:
        raise ModelError(
            f"train: {own.path.name}: {own.function}() cannot be called with image_shape, classes "
            f"and the spec's parameters: {error}"
        ) from error
    return _guarded(own, lambda: build(*arguments, **model.parameters))


def _function(own: ModelFile) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("own_model", own.path)
    if spec is None or spec.loader is None:
        raise ModelError(f"train: {own.path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader
    _guarded(own, lambda: loader.exec_module(module))
    function = getattr(module, own.function or "", None)
    if not inspect.isfunction(function):
        functions = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        raise ModelError(
            f'train: {own.path} has no function "{own.function}"',
            suggestion(own.function or "", functions),
        )
    return function


def _guarded(own: ModelFile, work: Callable[[], Any]) -> Any:
    """Runs code that others wrote; whatever it raises becomes one line with its place.

    What it prints goes to stderr: stdout may be read as JSON.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return work()
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(own.path)]
        if isinstance(error, SyntaxError):
            lines.append(error.lineno)
        place = f"{own.path}:{lines[-1]}" if lines else str(own.path)
        raise ModelError(f"train: {place}: {type(error).__name__}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of what an exception says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
