"""Knowledge distillation: a network is trained on another's outputs besides the labels.

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pipeline.compress import Change, FineTuning, Technique, register
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.spec.own_files import start_file
from pipeline.spec.rules import TEXT, number
from pipeline.training.architecture import load_keras_model
from pipeline.training.constraints import Constraints
from pipeline.training.evaluation import network_task
from pipeline.training.task import Task
from pipeline.training.tensorflow_setup import tensorflow

_LEAST = 1e-9  # probability, of which the logarithm is taken


@dataclass(frozen=True, kw_only=True)
class Distill(FineTuning):
    """Attributes:
    teacher: run folder, whose model before compression it is, or .keras file; None is the model
        that this run itself compresses, as it was trained.
    temperature: T, by which the logarithms of both networks' probabilities are divided.
    alpha: what is minimised is alpha T^2 times the cross-entropy of the softened probabilities,
        plus 1 - alpha times the loss.
    """

    teacher: Annotated[str | None, TEXT] = None
    temperature: Annotated[float, number(0.1, 100)] = 4.0
    alpha: Annotated[float, number(0, 1)] = 0.5


def apply(settings: Distill, network: Any, dataset: Dataset) -> Change:
    """The network as it is, with another aim for training on.

    Raises:
        ModelError: the teacher is no Keras model, or one of the two is no classifier of the data
            set's images.
    """
    assert settings.teacher is not None  # the stage has put the run's own model there
    teacher = load_keras_model(start_file(settings.teacher), "compress")
    if teacher.input_shape[1:] != network.input_shape[1:]:
        raise ModelError(
            f"compress: the teacher takes shape {teacher.input_shape}, "
            f"{network.name} takes {network.input_shape}"
        )
    for one in (teacher, network):
        if network_task(one, dataset) is not Task.CLASSIFICATION:
            raise ModelError(
                f"compress: distill needs classifiers, {one.name} gives its input back"
            )
    return Change(
        network,
        constraints=Constraints(objective=_objective(settings, teacher)),
        facts={"teacher_parameters": teacher.count_params()},
    )


def _objective(settings: Distill, teacher: Any) -> Any:
    def objective(images: Any, outputs: Any, losses: Any) -> Any:
        soft = softened(teacher(images, training=False), settings.temperature)
        return distillation_losses(settings, soft, outputs, losses)

    return objective


def softened(probabilities: Any, temperature: float) -> Any:
    """softmax(z / T) from softmax(z): the logarithms of probabilities are z but for a constant."""
    tf = tensorflow()
    return tf.nn.softmax(tf.math.log(tf.maximum(probabilities, _LEAST)) / temperature)


def distillation_losses(settings: Distill, soft: Any, outputs: Any, losses: Any) -> Any:
    """What is minimised for each sample.

    Args:
        soft: of the teacher, `softened`; outputs: of the network, probabilities, (samples,
            classes) each.
        losses: cross-entropy with the labels, (samples,).
    """
    tf = tensorflow()
    own = softened(outputs, settings.temperature)
    distance = -tf.reduce_sum(soft * tf.math.log(tf.maximum(own, _LEAST)), axis=-1)
    weight = settings.alpha * settings.temperature**2
    return weight * distance + (1 - settings.alpha) * losses


register(
    Technique(
        name="distill",
        summary="trained on a larger network's outputs",
        settings=Distill,
        apply=apply,
        files=("teacher",),
    )
)
