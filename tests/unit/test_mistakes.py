"""Which misclassified images are shown, and as what."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.analysis.mistakes import Mistake, picture, worst_mistakes
from pipeline.graph import DType, Quantization, Tensor

PROBABILITIES = Tensor(0, "", (1, 3), DType.INT8, Quantization((1 / 256,), (-128,)))
LOGITS = Tensor(0, "", (1, 3), DType.INT8, Quantization((0.1,), (3,)))


def test_the_class_that_lost_by_most_comes_first_and_right_ones_do_not_count() -> None:
    outputs = [[127, -128, -127], [0, 10, -20], [-100, 20, 20], [100, -128, -50]]
    arrays = [np.array([values], np.int8) for values in outputs]
    labels = np.array([0, 0, 2, 1])
    assert worst_mistakes(arrays, PROBABILITIES, labels) == (
        Mistake(3, 1, 0, 228 / 256),
        Mistake(1, 0, 1, 138 / 256),
        Mistake(2, 2, 1, 148 / 256),  # of equal outputs the first is taken
    )
    assert [m.image for m in worst_mistakes(arrays, LOGITS, labels, most=2)] == [3, 1]
    assert worst_mistakes(arrays, LOGITS, labels)[0].confidence is None


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_has_the_images_pixels(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(picture(image))))
    assert np.array_equal(shown.reshape(image.shape), image)


def test_real_values_span_black_to_white_and_large_images_are_made_small() -> None:
    image = np.array([[[-2.0], [0.0]], [[2.0], [1.0]]], np.float32)
    shown = np.asarray(Image.open(io.BytesIO(picture(image))))
    assert shown.tolist() == [[0, 127], [255, 191]]
    assert picture(np.full((2, 2, 1), 0.5, np.float32))  # of one value only
    large = Image.open(io.BytesIO(picture(np.zeros((200, 400, 3), np.uint8))))
    assert large.size == (96, 48)
