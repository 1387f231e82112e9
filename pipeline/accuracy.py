"""Accuracy of a converted classifier, in TFLM's interpreter on this host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.golden import golden_outputs
from pipeline.graph import Graph
from pipeline.quantize import model_inputs
from pipeline.tflite_reader import read_tflite


@dataclass(frozen=True)
class ClassifierAccuracy:
    """`correct` out of `samples` images had their class as the largest output.

    Attributes:
        confusion: (classes, classes) counts, row = the image's class, column = the model's.
    """

    correct: int
    samples: int
    confusion: tuple[tuple[int, ...], ...]

    @property
    def value(self) -> float:
        """0..1."""
        return self.correct / self.samples


def host_accuracy(
    model: bytes, dataset: Dataset, progress: Callable[[int], None] | None = None
) -> ClassifierAccuracy:
    """The model over the whole test split.

    Args:
        model: a .tflite classifier with one input and one output.
        progress: called with the number of finished inferences, possibly from another thread.

    Raises:
        ModelError: the model does not suit the data set, or TFLM refuses it.
        ToolError: TFLM's interpreter is not installed.
    """
    graph = read_tflite(model)
    inputs = evaluation_inputs(graph, dataset)
    outputs = golden_outputs(model, [(image[np.newaxis],) for image in inputs], progress)
    return classifier_accuracy([output for (output,) in outputs], dataset.test_labels)


def evaluation_inputs(
    graph: Graph, dataset: Dataset, samples: int | None = None
) -> npt.NDArray[Any]:
    """The first `samples` test images (default: all) as the classifier's input values.

    Returns:
        (samples,) + input shape without its batch axis, of the input's element type.

    Raises:
        ModelError: more than one input or output, or shapes that are not those of the data set.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError("accuracy: the model is no classifier with one input and one output")
    (output,) = graph.outputs
    if output.size != len(dataset.class_names):
        raise ModelError(
            f"accuracy: the model has {output.size} outputs, "
            f"{dataset.name} has {len(dataset.class_names)} classes"
        )
    return model_inputs(dataset.test_images[:samples], dataset.scaling, graph.inputs[0])


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
