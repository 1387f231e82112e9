"""How well outputs suit a data set: accuracy of classes, or squared error of reconstructions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.analysis.mistakes import Mistake, worst_mistakes
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.golden import golden_outputs
from pipeline.graph import Graph, Tensor
from pipeline.quantize import model_inputs
from pipeline.tflite_reader import read_tflite
from pipeline.training.task import Task, task_of

_NORMAL_975 = 1.959963984540054  # quantile of the standard normal distribution: 95 %, two-sided


@dataclass(frozen=True)
class ClassifierAccuracy:
    """`correct` out of `samples` images had their class as the largest output.

    Attributes:
        confusion: (classes, classes) counts, row = the image's class, column = the model's.
        mistakes: the worst of them.
    """

    correct: int
    samples: int
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[Mistake, ...] = ()

    @property
    def value(self) -> float:
        """0..1."""
        return self.correct / self.samples

    @property
    def interval(self) -> tuple[float, float]:
        """Where the accuracy on further images of this kind lies with 95 % confidence, 0..1.

        The score interval of Wilson (J. Am. Stat. Assoc. 22, 1927), which holds near 0 and 1 and
        for few images too.
        """
        share, n, z2 = self.value, self.samples, _NORMAL_975**2
        center = (share + z2 / (2 * n)) / (1 + z2 / n)
        root = math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
        half = _NORMAL_975 * root / (1 + z2 / n)
        return max(0.0, center - half), min(1.0, center + half)


@dataclass(frozen=True)
class ReconstructionError:
    """Mean squared difference between outputs and images, over all values of `samples` images.

    Attributes:
        value: in the square of the model's input unit (1 = white squared, where images are
            scaled to 0..1).
    """

    value: float
    samples: int


Score: TypeAlias = ClassifierAccuracy | ReconstructionError


def score_json(score: Score | None) -> dict[str, Any]:
    """Plain values for json.dumps; what the task does not have is None."""
    classes = score if isinstance(score, ClassifierAccuracy) else None
    return {
        "accuracy": None if classes is None else classes.value,
        "accuracy_interval": None if classes is None else classes.interval,
        "reconstruction_error": score.value if isinstance(score, ReconstructionError) else None,
        "samples": None if score is None else score.samples,
        "confusion": None if classes is None else classes.confusion,
        "mistakes": [asdict(mistake) for mistake in classes.mistakes] if classes else [],
    }


def host_score(
    model: bytes, dataset: Dataset, progress: Callable[[int], None] | None = None
) -> Score:
    """The model in TFLM's interpreter over the whole test split.

    Args:
        model: a .tflite file with one input and one output.
        progress: called with the number of finished inferences, possibly from another thread.

    Raises:
        ModelError: the model does not suit the data set, or TFLM refuses it.
        ToolError: TFLM's interpreter is not installed.
    """
    graph = read_tflite(model)
    inputs = evaluation_inputs(graph, dataset)
    outputs = golden_outputs(model, [(image[np.newaxis],) for image in inputs], progress)
    return score([output for (output,) in outputs], graph.outputs[0], dataset)


def evaluation_inputs(
    graph: Graph, dataset: Dataset, samples: int | None = None
) -> npt.NDArray[Any]:
    """The first `samples` test images (default: all) as the model's input values.

    Returns:
        (samples,) + input shape without its batch axis, of the input's element type.

    Raises:
        ModelError: more than one input or output, or shapes that are not those of the data set.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError("accuracy: the model must have one input and one output")
    _require_task(graph.outputs[0], dataset)
    return model_inputs(dataset.test_images[:samples], dataset.scaling, graph.inputs[0])


def score(outputs: Sequence[npt.NDArray[Any]], tensor: Tensor, dataset: Dataset) -> Score:
    """Judges outputs for the test split's first images.

    Args:
        outputs: values of `tensor`, one array an image; at least one.
        tensor: the model's output.

    Raises:
        ModelError: the model has neither the data set's classes nor its images as output.
    """
    if _require_task(tensor, dataset) is Task.CLASSIFICATION:
        labels = dataset.test_labels[: len(outputs)]
        mistakes = worst_mistakes(outputs, tensor, labels)
        return replace(classifier_accuracy(outputs, labels), mistakes=mistakes)
    images = dataset.scaling.apply(dataset.test_images[: len(outputs)])
    return reconstruction_error(outputs, tensor, images)


def _require_task(output: Tensor, dataset: Dataset) -> Task:
    task = task_of(output.size, dataset)
    if task is None:
        values = int(np.prod(dataset.image_shape))
        raise ModelError(
            f"accuracy: the model has {output.size} outputs, "
            f"{dataset.name} has {len(dataset.class_names)} classes and {values} values an image"
        )
    return task


def classifier_accuracy(
    outputs: Sequence[npt.NDArray[Any]], labels: npt.NDArray[np.int64]
) -> ClassifierAccuracy:
    """Counts outputs whose largest element (the first of equals) is at the label's index.

    Args:
        outputs: one array a sample, of any shape with as many elements as there are classes; at
            least one.
        labels: (samples,), of the same samples.
    """
    classes = outputs[0].size
    counts = [[0] * classes for _ in range(classes)]
    for output, label in zip(outputs, labels.tolist(), strict=True):
        counts[label][int(np.argmax(output))] += 1
    correct = sum(counts[index][index] for index in range(classes))
    return ClassifierAccuracy(correct, len(outputs), tuple(map(tuple, counts)))


def reconstruction_error(
    outputs: Sequence[npt.NDArray[Any]], tensor: Tensor, images: npt.NDArray[np.float32]
) -> ReconstructionError:
    """Compares in real values, so that quantization of the output counts as error.

    Args:
        outputs: values of `tensor`, one array an image, as many elements as an image has.
        tensor: the model's output, float32 or quantized per tensor.
        images: (samples, ...) real values.
    """
    stored = np.stack([output.ravel() for output in outputs]).astype(np.float64)
    if tensor.quantization is not None:
        stored = (stored - tensor.zero_point) * tensor.scale
    difference = stored - images.reshape(len(images), -1)
    return ReconstructionError(float(np.mean(np.square(difference))), len(outputs))
