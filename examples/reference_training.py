"""Trains the linear model and both MLPs with pipeline.reference and with TensorFlow, side by side.

    .venv/bin/python examples/reference_training.py

Both start from the same weights and see the same batches in the same order, so what differs is
float32 rounding and whatever one of them got wrong. Settings are of the course's sheet: batches of
100, cross-entropy summed over the batch, SGD. Test accuracies must agree within TOLERANCE.
"""

from __future__ import annotations

import sys

import click
import numpy as np

from pipeline import data
from pipeline.data import Dataset
from pipeline.reference.network import Dense, Flatten, Layer, ReLU, accuracy, train_sgd
from pipeline.training.tensorflow_setup import tensorflow

BATCH = 100
TOLERANCE = 0.005
# Name, hidden units, epochs, learning rate.
MODELS = (
    ("linear_mnist", (), 5, 1e-3),
    ("mlp1_mnist", (32,), 15, 5e-3),
    ("mlp2_mnist", (32, 32), 40, 1e-3),
)


def build(rng: np.random.Generator, dataset: Dataset, hidden: tuple[int, ...]) -> list[Layer]:
    layers: list[Layer] = [Flatten()]
    inputs = int(np.prod(dataset.image_shape))
    for units in hidden:
        layers += [Dense(rng, inputs, units), ReLU()]
        inputs = units
    return [*layers, Dense(rng, inputs, len(dataset.class_names))]


def twin(layers: list[Layer]):
    """A Keras model with the same weights; its outputs are logits."""
    tensorflow()
    import tf_keras as keras

    dense = [layer for layer in layers if isinstance(layer, Dense)]
    units = [layer.parameters[1].size for layer in dense]
    model = keras.Sequential([keras.layers.Flatten()])
    for count in units[:-1]:
        model.add(keras.layers.Dense(count, activation="relu"))
    model.add(keras.layers.Dense(units[-1]))
    model.build((None, dense[0].parameters[0].shape[0], 1, 1))
    model.set_weights([parameter for layer in dense for parameter in layer.parameters])
    return model


def train_twin(model, dataset: Dataset, order: np.ndarray, learning_rate: float) -> float:
    """Trains with TensorFlow on the same batches; test accuracy."""
    tensorflow()
    import tensorflow as tf
    import tf_keras as keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    model.compile(keras.optimizers.SGD(learning_rate), loss)
    images = dataset.scaling.apply(dataset.train_images).reshape(
        len(dataset.train_images), -1, 1, 1
    )
    batches = tf.data.Dataset.from_tensor_slices(order).batch(BATCH)
    pictures, labels = tf.constant(images), tf.constant(dataset.train_labels)
    model.fit(
        batches.map(lambda batch: (tf.gather(pictures, batch), tf.gather(labels, batch))),
        verbose=0,
    )
    test = dataset.scaling.apply(dataset.test_images).reshape(len(dataset.test_images), -1, 1, 1)
    predicted = model.predict(test, batch_size=1000, verbose=0).argmax(axis=1)
    return float((predicted == dataset.test_labels).mean())


@click.command()
@click.option("--data", "name", default="mnist", show_default=True, help="Data set.")
@click.option("--epochs", type=int, help="For all models, in place of the sheet's.")
def main(name: str, epochs: int | None) -> None:
    """Prints both test accuracies of every model; exit code 1 where they do not agree."""
    dataset = data.load(name)
    train = dataset.scaling.apply(dataset.train_images)
    test = dataset.scaling.apply(dataset.test_images)
    click.echo("model         epochs  learning rate  reference  TensorFlow")
    agree = True
    for model, hidden, sheet_epochs, learning_rate in MODELS:
        rng = np.random.default_rng(1)
        layers = build(rng, dataset, hidden)
        keras_model = twin(layers)
        rounds = epochs or sheet_epochs
        order = np.concatenate([rng.permutation(len(train)) for _ in range(rounds)])
        for _loss in train_sgd(
            layers, train, dataset.train_labels, order, learning_rate, BATCH, "sum"
        ):
            pass
        ours = accuracy(layers, test, dataset.test_labels)
        theirs = train_twin(keras_model, dataset, order, learning_rate)
        agree &= abs(ours - theirs) <= TOLERANCE
        click.echo(f"{model:12}  {rounds:6}  {learning_rate:13}  {ours:9.4f}  {theirs:10.4f}")
    if not agree:
        click.echo(f"accuracies differ by more than {TOLERANCE}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
