"""The training loop: exact resumption, and every way to move the weights against numpy."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import data
from pipeline.data import Dataset
from pipeline.errors import ModelError
from pipeline.reference.loss import cross_entropy_backward
from pipeline.reference.network import Conv2D, Dense, Flatten, forward
from pipeline.spec import AugmentationSpec, ModelSpec, TrainingSpec
from pipeline.training.augmentation import augment
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.fit import fit
from pipeline.training.history import TrainingProgress
from pipeline.training.schedule import learning_rate_at
from pipeline.training.tensorflow_setup import tensorflow
from pipeline.training.train import TrainedModel, train

pytestmark = pytest.mark.training

ALL_AT_ONCE = TrainingSpec(
    epochs=6,
    batch_size=64,
    learning_rate=0.02,
    decay="cosine",
    warmup_epochs=1,
    clip_norm=1.0,
    dropout=0.3,
    l2=1e-4,
    validation_split=0.2,
    patience=2,
    curve_every=3,
    seed=5,
)
AUGMENTATION = AugmentationSpec(shift=2, rotate=10, zoom=0.1, flip=True, noise=0.05, cutout=5)


def small(images: int) -> Dataset:
    whole = data.load("synthetic_digits")
    return dataclasses.replace(
        whole,
        train_images=whole.train_images[:images],
        train_labels=whole.train_labels[:images],
        test_images=whole.test_images[:200],
        test_labels=whole.test_labels[:200],
    )


class Killed(Exception):
    pass


def run(folder: Path, checkpoint: Checkpoint | None = None, progress: Any = None) -> TrainedModel:
    arguments = (ModelSpec("conv_mnist"), ALL_AT_ONCE, small(400), folder / "model.keras")
    return train(*arguments, progress, AUGMENTATION, checkpoint)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("killed_at", [1, 8, 15])
def test_a_training_ended_anywhere_goes_on_to_the_same_file(
    killed_at: int, whole: TrainedModel, tmp_path: Path
) -> None:
    updates: list[TrainingProgress] = []

    def kill(progress: TrainingProgress) -> None:
        updates.append(progress)
        if len(updates) == killed_at:
            raise Killed

    checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "key", interval_seconds=0)
    with pytest.raises(Killed):
        run(tmp_path, checkpoint, kill)
    resumed = run(tmp_path, checkpoint, updates.append)
    assert resumed.path.read_bytes() == whole.path.read_bytes()
    assert resumed.history == whole.history
    assert len(updates) == 5 * len(whole.history.epochs) + 1  # the one it was killed in, twice


def test_early_stopping_keeps_the_best_epoch(whole: TrainedModel) -> None:
    history = whole.history
    losses = [epoch.validation_loss for epoch in history.epochs]
    assert history.best_epoch == 1 + losses.index(min(losses))
    ended_early = len(losses) < ALL_AT_ONCE.epochs
    assert len(losses) - history.best_epoch == ALL_AT_ONCE.patience or not ended_early
    assert history.accuracy == history.epochs[history.best_epoch - 1].test_accuracy
    updates = [point.update for point in history.curve]
    assert updates == list(range(3, 5 * len(losses) + 1, 3))


def test_a_checkpoint_of_another_training_or_a_damaged_one_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    dataset, training = small(100), TrainingSpec(epochs=2, batch_size=50)
    checkpoint = Checkpoint(path, "key", interval_seconds=0)
    train(ModelSpec("linear_mnist"), training, dataset, tmp_path / "m.keras", checkpoint=checkpoint)
    assert checkpoint.load() is not None
    assert Checkpoint(path, "another").load() is None
    path.write_bytes(path.read_bytes()[:-100])
    assert checkpoint.load() is None


def numpy_training(
    layers: list[Any], images: np.ndarray, labels: np.ndarray, training: TrainingSpec
) -> None:
    """Full-batch SGD as its definition has it: clipping, L2, momentum."""
    velocities = [[np.zeros_like(p) for p in layer.parameters] for layer in layers]
    for _ in range(training.epochs):
        gradient = cross_entropy_backward(
            forward(layers, images, True), labels, training.loss_reduction
        )
        for layer in reversed(layers):
            gradient = layer.backward(gradient)
        steps = [list(layer.gradients) for layer in layers]
        for layer, gradients in zip(layers, steps, strict=True):
            if gradients:
                gradients[0] = gradients[0] + 2 * training.l2 * layer.parameters[0]
        norm = math.sqrt(sum(float((g**2).sum()) for gradients in steps for g in gradients))
        scale = min(1.0, (training.clip_norm or math.inf) / norm)
        for layer, gradients, velocity in zip(layers, steps, velocities, strict=True):
            for i, parameter in enumerate(layer.parameters):
                velocity[i] = training.momentum * velocity[i] - training.learning_rate * (
                    scale * gradients[i]
                )
                parameter += velocity[i]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"loss_reduction": "sum", "learning_rate": 2e-4},
        {"momentum": 0.9},
        {"l2": 0.05},
        {"clip_norm": 0.1},
    ],
    ids=lambda change: ", ".join(change) or "plain",
)
def test_sgd_moves_the_weights_as_numpy_does(change: dict[str, Any]) -> None:
    from tf_keras import Sequential, layers

    dataset = small(150)
    training = dataclasses.replace(
        TrainingSpec(epochs=5, batch_size=150, optimizer="sgd", learning_rate=0.05), **change
    )
    rng = np.random.default_rng(2)
    ours = [Conv2D(rng, 1, 2, stride=3), Flatten(), Dense(rng, 200, 10)]
    network = Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(2, 3, strides=3, padding="same"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    network.set_weights([p.copy() for layer in ours for p in layer.parameters])
    numpy_training(
        ours, dataset.scaling.apply(dataset.train_images), dataset.train_labels, training
    )
    fit(network, training, dataset)
    for parameter, trained in zip(
        [p for layer in ours for p in layer.parameters], network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(trained, parameter, rtol=1e-3, atol=2e-6)


def test_learning_rates_follow_their_definitions() -> None:
    training = TrainingSpec(epochs=10, learning_rate=0.8, warmup_epochs=2)
    rates = [learning_rate_at(training, update, 2) for update in range(20)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    step = dataclasses.replace(training, decay="step", decay_every=3, decay_factor=0.1)
    assert [learning_rate_at(step, 2 * epoch, 2) for epoch in range(2, 10)] == pytest.approx(
        [0.8] * 3 + [0.08] * 3 + [0.008] * 2
    )
    cosine = dataclasses.replace(training, decay="cosine")
    falling = [learning_rate_at(cosine, update, 2) for update in range(4, 20)]
    assert falling[0] == pytest.approx(0.8)
    assert falling[8] == pytest.approx(0.4)
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < 0.01


def test_weights_of_a_run_are_taken_and_frozen_ones_stay(tmp_path: Path) -> None:
    from tf_keras.models import load_model

    dataset, model = small(200), ModelSpec("conv_mnist")
    first = train(model, TrainingSpec(epochs=1), dataset, tmp_path / "first" / "model.keras")
    start = TrainingSpec(epochs=1, start_from=str(first.path.parent), freeze_until="pool_2")
    second = train(model, start, dataset, tmp_path / "second.keras")
    before, after = load_model(first.path), load_model(second.path)
    names = [layer.name for layer in before.layers]
    assert after.trainable_variables
    for name in names:
        same = [
            np.array_equal(a, b)
            for a, b in zip(
                before.get_layer(name).get_weights(),
                after.get_layer(name).get_weights(),
                strict=True,
            )
        ]
        assert all(same) if names.index(name) <= names.index("pool_2") else not any(same)
    unknown = dataclasses.replace(start, freeze_until="pool2")
    with pytest.raises(
        ModelError, match=r'no layer "pool2" to freeze up to; did you mean "pool_2"'
    ):
        train(model, unknown, dataset, tmp_path / "third.keras")
    other = dataclasses.replace(start, freeze_until=None)
    with pytest.raises(ModelError, match=r"has no layer of linear_mnist"):
        train(ModelSpec("linear_mnist"), other, dataset, tmp_path / "third.keras")


def changed(augmentation: AugmentationSpec, update: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Sixty images with a distinct value in every pixel, before and after."""
    tf = tensorflow()
    images = np.linspace(1, 2, 60 * 9 * 7, dtype=np.float32).reshape(60, 9, 7, 1)
    return images, augment(tf.constant(images), augmentation, 1, tf.constant(update)).numpy()


def test_augmentation_does_what_it_says_and_nothing_else() -> None:
    before, after = changed(AugmentationSpec())
    np.testing.assert_array_equal(after, before)

    before, after = changed(AugmentationSpec(flip=True))
    flipped = np.isclose(after, before[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = np.isclose(after, before).all(axis=(1, 2, 3))
    assert (flipped ^ kept).all()
    assert 15 < flipped.sum() < 45

    before, after = changed(AugmentationSpec(cutout=3))
    gone = (after == 0).sum(axis=(1, 2, 3))
    assert gone.max() == 9
    assert gone.min() < 9  # partly outside
    np.testing.assert_array_equal(after[after != 0], before[after != 0])

    before, after = changed(AugmentationSpec(noise=0.1))
    assert (after - before).std() == pytest.approx(0.1, rel=0.05)

    _, after = changed(AugmentationSpec(shift=2))
    blank = (after[:, :, :, 0] == 0).all(axis=1).sum(axis=1)  # columns that moved in
    assert set(blank) == {0, 1}  # less than two whole ones

    for moved in (AugmentationSpec(rotate=20), AugmentationSpec(zoom=0.2)):
        before, after = changed(moved)
        np.testing.assert_allclose(after[:, 4, 3], before[:, 4, 3], rtol=1e-5)  # the centre stays
        assert np.isclose(after[:, 0, 0], before[:, 0, 0]).mean() < 0.1  # the corners go


def test_augmentation_depends_on_seed_and_update_alone() -> None:
    _, once = changed(AUGMENTATION)
    _, again = changed(AUGMENTATION)
    _, later = changed(AUGMENTATION, update=4)
    np.testing.assert_array_equal(once, again)
    assert not (once == later).all(axis=(1, 2, 3)).any()


def test_tensorboard_gets_the_metrics_of_every_epoch(tmp_path: Path) -> None:
    tf = tensorflow()
    training = TrainingSpec(epochs=2, validation_split=0.5)
    trained = train(
        ModelSpec("linear_mnist"), training, small(100), tmp_path / "m.keras", events=tmp_path / "e"
    )
    [file] = (tmp_path / "e").iterdir()
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    first, *events = (tf.compat.v1.Event.FromString(record) for record in records)
    assert first.file_version == "brain.Event:2"
    assert [event.step for event in events] == [1, 2]
    for event, epoch in zip(events, trained.history.epochs, strict=True):
        shown = {value.tag: value.simple_value for value in event.summary.value}
        expected = {name: value for name, value in vars(epoch).items() if name != "epoch"}
        assert shown == pytest.approx(expected)
