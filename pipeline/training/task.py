"""What a model is judged by: it follows from the number of its outputs."""

from __future__ import annotations

import math
from enum import Enum

from pipeline.data import Dataset


class Task(Enum):
    """Classification by accuracy; reconstruction of the image by the mean squared error."""

    CLASSIFICATION = "classification"
    RECONSTRUCTION = "reconstruction"


def task_of(output_values: int, dataset: Dataset) -> Task | None:
    """The task of a model with that many outputs for one image.

    Returns:
        CLASSIFICATION for as many as the data set has classes, RECONSTRUCTION for as many as an
        image has values, otherwise None.
    """
    if output_values == len(dataset.class_names):
        return Task.CLASSIFICATION
    if output_values == math.prod(dataset.image_shape):
        return Task.RECONSTRUCTION
    return None
