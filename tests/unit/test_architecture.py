"""Models of one's own: what the function gets; every mistake is one line with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import data
from pipeline.errors import ModelError
from pipeline.spec import ModelSpec, TrainingSpec
from pipeline.training.architecture import build_network
from pipeline.training.train import train

pytestmark = pytest.mark.training

GOOD = """
from tf_keras import Sequential, layers

def build(image_shape, classes, units=3, name="own"):
    return Sequential([layers.Input(image_shape), layers.Flatten(), layers.Dense(units),
                       layers.Dense(classes, activation="softmax")], name=name)

def no_softmax(image_shape, classes):
    return Sequential([layers.Input(image_shape), layers.Dense(classes)])

def no_input(image_shape, classes):
    return Sequential([layers.Flatten(), layers.Dense(classes)])

def transposed(image_shape, classes):
    return Sequential([layers.Input(image_shape[::-1]), layers.Flatten(), layers.Dense(classes)])

def raises(image_shape, classes):
    return 1 / 0

def raises_in_keras(image_shape, classes):
    return Sequential([layers.Input(image_shape), layers.Conv2D(-1, 3)])

def none(image_shape, classes):
    pass

def of_keras_3(image_shape, classes):
    import keras
    return keras.Sequential([keras.layers.Input(image_shape), keras.layers.Dense(classes)])

constant = 3
"""


@pytest.fixture(scope="module")
def dataset():
    images, labels = np.zeros((6, 4, 5, 1), np.uint8), np.arange(6) % 3
    scaling = data.InputScaling(1 / 255)
    return data.Dataset("tiny", images, labels, images, labels, ("a", "b", "c"), scaling)


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(GOOD)
    return path


def test_the_function_gets_shape_classes_and_parameters(source, dataset, capsys):
    source.write_text("print('hello')\n" + source.read_text())
    model = ModelSpec(f"{source}:build", {"units": 7, "name": "chosen"})
    network = build_network(model, dataset)
    assert network.name == "chosen"
    assert network.count_params() == (4 * 5 * 7 + 7) + (7 * 3 + 3)
    assert capsys.readouterr() == ("", "hello\n")  # stdout may be read as JSON


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("biuld", r'net\.py has no function "biuld"; did you mean "build"\?'),
        ("constant", r'net\.py has no function "constant"; did you mean .*'),
        ("raises", r"net\.py:18: ZeroDivisionError: division by zero"),
        ("raises_in_keras", r"net\.py:21: ValueError: .*filters.*"),
        ("none", r"net\.py: none\(\) gave builtins\.NoneType, not a tf_keras model; import .*"),
        ("of_keras_3", r"net\.py: of_keras_3\(\) gave keras\..*, not a tf_keras model; .*"),
        ("no_input", r"net\.py: no_input\(\) gave a model without input shape; .*"),
        (
            "transposed",
            r"net\.py: transposed\(\) takes shape \(None, 1, 5, 4\), tiny needs \(None, 4, 5, 1\)",
        ),
        (
            "no_softmax",
            r"net\.py: no_softmax\(\) gives shape \(None, 4, 5, 3\), tiny needs \(None, 3\)",
        ),
    ],
)
def test_a_mistake_in_the_function_is_one_line(source, dataset, function, message):
    with pytest.raises(ModelError, match=rf"^train: (/.*/)?{message}$"):
        build_network(ModelSpec(f"{source}:{function}"), dataset)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def build(:\n", r"net\.py:1: SyntaxError: .*"),
        ("\nimport nothing_of_the_kind\n", r"net\.py:2: ModuleNotFoundError: No module named .*"),
        ("raise ValueError('two\\nlines')", r"net\.py:1: ValueError: two"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_line(tmp_path, dataset, text, message):
    path = tmp_path / "net.py"
    path.write_text(text)
    with pytest.raises(ModelError, match=rf"^train: /.*/{message}$"):
        build_network(ModelSpec(f"{path}:build"), dataset)


def test_a_parameter_that_the_function_does_not_take_is_named(source, dataset):
    with pytest.raises(ModelError, match=r"^train: net.py: build\(\) cannot be .*: .*'unit'$"):
        build_network(ModelSpec(f"{source}:build", {"unit": 7}), dataset)


def test_a_saved_model_is_taken_as_it_is(source, dataset, tmp_path):
    network = build_network(ModelSpec(f"{source}:build"), dataset)
    saved = tmp_path / "saved.keras"
    network.save(saved)
    taken = train(ModelSpec(str(saved)), TrainingSpec(epochs=9), dataset, tmp_path / "m.keras")
    assert taken.history.epochs == ()
    # All images are equal, so one class is chosen for all; each class has a third of them.
    assert taken.history.accuracy == pytest.approx(1 / 3)

    from tf_keras.models import load_model

    for before, after in zip(
        network.get_weights(), load_model(taken.path).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_a_saved_model_for_other_images_is_refused(tmp_path, source, dataset):
    saved = tmp_path / "saved.keras"
    build_network(ModelSpec(f"{source}:build"), dataset).save(saved)
    with pytest.raises(ModelError, match=r"saved\.keras takes shape \(None, 4, 5, 1\), synthetic"):
        train(
            ModelSpec(str(saved)),
            TrainingSpec(),
            data.load("synthetic_digits"),
            tmp_path / "m.keras",
        )
