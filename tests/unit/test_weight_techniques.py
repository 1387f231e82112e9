"""Magnitude pruning, clustering and distillation: what they promise holds after training on."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from compressed import TRAINING, few_digits, trained_conv, zoo_network
from pipeline.compress import cluster, distill, prune
from pipeline.compress.cluster import Cluster, clustered
from pipeline.compress.distill import Distill
from pipeline.compress.prune import Prune, reached, sparse
from pipeline.data import Dataset
from pipeline.errors import ModelError, SpecError
from pipeline.spec import ModelSpec, QuantizationSpec, parse_spec

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return few_digits()


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory) -> Path:
    return trained_conv(dataset, tmp_path_factory.mktemp("trained"))


def kernels_of(path: Path) -> dict[str, np.ndarray]:
    from pipeline.training.architecture import load_keras_model

    layers = load_keras_model(path, "test").layers
    return {layer.name: layer.get_weights()[0] for layer in layers if layer.get_weights()}


# --- pruning -------------------------------------------------------------------------------------


def test_two_of_every_four_input_channels_are_zero_and_they_are_the_smallest():
    kernel = np.random.default_rng(1).normal(size=(3, 3, 8, 5)).astype(np.float32)
    result = sparse(kernel, Prune(pattern="2:4"))
    for y, x, o, start in itertools.product(range(3), range(3), range(5), (0, 4)):
        before = np.abs(kernel[y, x, start : start + 4, o])
        after = result[y, x, start : start + 4, o]
        np.testing.assert_array_equal(np.flatnonzero(after), np.sort(np.argsort(before)[2:]))


def test_no_output_channel_is_left_with_zeros_alone():
    kernel = np.random.default_rng(4).normal(size=(3, 3, 1, 8)).astype(np.float32)
    kernel[..., 0] *= 1e-3
    result = sparse(kernel, Prune(sparsity=0.8))
    assert np.count_nonzero(result == 0) == round(0.8 * kernel.size)
    assert np.count_nonzero(result[..., 0]) == 1
    depthwise = sparse(kernel.reshape(3, 3, 8, 1), Prune(sparsity=0.999), depthwise=True)
    np.testing.assert_array_equal(np.count_nonzero(depthwise, axis=(0, 1)), 1)


def test_the_polynomial_schedule_has_the_papers_values():
    # Zhu and Gupta, equation 1, from 0 sparsity on: a half of the ramp is 1 - 1/8.
    settings = Prune(ramp=0.5)
    assert [reached(settings, n, 200) for n in (0, 50, 100, 200)] == [0, 0.875, 1, 1]


@pytest.mark.parametrize("schedule", ["constant", "polynomial"])
def test_sparsity_is_reached_in_a_short_training_and_quantization_keeps_it(
    schedule, dataset, trained, tmp_path
):
    from pipeline.convert import convert
    from pipeline.tflite_reader import read_tflite
    from pipeline.training.compression import compress

    settings = Prune(sparsity=0.7, schedule=schedule, epochs=1, learning_rate=0.005)
    pruned = compress(settings, TRAINING, dataset, trained, tmp_path / "pruned.keras")
    assert [row["sparsity"] for row in pruned.layers] == pytest.approx([0.7] * 4, abs=0.01)
    before, after = kernels_of(trained), kernels_of(tmp_path / "pruned.keras")
    for row in pruned.layers:
        name = row["layer"]
        assert np.count_nonzero(after[name] == 0) == row["zeros"] == round(0.7 * after[name].size)
        assert not np.array_equal(before[name][after[name] != 0], after[name][after[name] != 0])
    model = convert(tmp_path / "pruned.keras", dataset, QuantizationSpec(calibration_samples=20))
    weights = [
        op.inputs[1].data for op in read_tflite(model.content).operators if len(op.inputs) == 3
    ]
    assert len(weights) == 4
    assert all(np.mean(np.asarray(array) == 0) >= 0.69 for array in weights)


def test_two_of_four_skips_what_it_does_not_apply_to_and_says_why():
    change = prune.apply(Prune(pattern="2:4"), zoo_network("sepconv_mnist"), None)
    assert set(change.skipped.values()) == {
        "a depthwise kernel sums over no channels",
        "its 1 input channels are no multiple of 4",
    }
    rows, facts = change.measure(change.network)
    assert {row["sparsity"] for row in rows} == {0.5}
    assert facts == {"sparsity": 0.5}


def test_quantization_aware_training_keeps_zeros_and_shared_weights(dataset, trained, tmp_path):
    from pipeline.compress import kept_constraints
    from pipeline.convert import convert
    from pipeline.tflite_reader import read_tflite
    from pipeline.training.compression import compress
    from pipeline.training.quantize_aware import quantize_aware

    first, second = Prune(sparsity=0.6, epochs=1), Cluster(clusters=8, epochs=1)
    compress(first, TRAINING, dataset, trained, tmp_path / "1.keras")
    clustered_model = compress(
        second, TRAINING, dataset, tmp_path / "1.keras", tmp_path / "2.keras", earlier=(first,)
    )
    kernels = kernels_of(tmp_path / "2.keras")
    for row in clustered_model.layers:
        assert np.mean(kernels[row["layer"]] == 0) == pytest.approx(0.6, abs=0.01)
        assert len(np.unique(kernels[row["layer"]])) == row["values"] <= 8
    qat = QuantizationSpec(mode="qat", qat_epochs=1, calibration_samples=20)
    weights = tmp_path / "qat.npz"
    kept = kept_constraints((first, second))
    quantize_aware(tmp_path / "2.keras", TRAINING, qat, dataset, weights, constraints=kept)
    model = convert(tmp_path / "2.keras", dataset, qat, weights)
    operators = [op for op in read_tflite(model.content).operators if len(op.inputs) == 3]
    assert len(operators) == 4
    for op in operators:
        values = np.asarray(op.inputs[1].data)
        assert np.mean(values == 0) >= 0.59
        # A scale per output channel: of each at most eight values.
        assert max(len(np.unique(channel)) for channel in values) <= 8


# --- clustering ----------------------------------------------------------------------------------


def test_clusters_are_a_fixed_point_of_k_means_and_far_better_than_rounding():
    kernel = np.random.default_rng(2).normal(size=(40, 50)).astype(np.float32)
    result = clustered(kernel, 16)
    centroids = np.unique(result)
    assert len(centroids) <= 16
    nearest = centroids[np.abs(kernel.ravel()[:, None] - centroids).argmin(1)]
    np.testing.assert_array_equal(nearest, result.ravel())
    for centroid in centroids:
        assert kernel[result == centroid].mean() == pytest.approx(centroid, abs=1e-3)
    step = (kernel.max() - kernel.min()) / 15
    assert np.square(kernel - result).mean() < step**2 / 12


def test_zeros_of_a_pruned_kernel_are_a_cluster_of_their_own():
    kernel = sparse(np.random.default_rng(3).normal(size=(30, 30)).astype(np.float32), Prune())
    result = clustered(kernel, 4)
    np.testing.assert_array_equal(result == 0, kernel == 0)
    assert len(np.unique(result)) <= 4


def test_the_size_of_a_clustered_kernel_counts_indices_and_table():
    network = zoo_network("linear_mnist")  # 784 x 10 weights
    change = cluster.apply(Cluster(clusters=16), network, None)
    [row], facts = change.measure(network)
    assert facts == {"int8_bytes": 7840, "indexed_bytes": row["indexed_bytes"]}
    assert row["values"] <= 16
    assert row["indexed_bytes"] == 7840 // 2 + row["values"]
    with pytest.raises(
        ModelError,
        match=r"linear_mnist: probabilities \(it has \d+ diff.*; lower",
    ):
        cluster.apply(Cluster(clusters=16), network, None)


# --- distillation --------------------------------------------------------------------------------


def test_the_distillation_loss_is_hintons():
    teacher_z = np.array([[1.0, 2.0, 4.0], [0.0, -1.0, 3.0]])
    student_z = np.array([[0.5, 1.0, -2.0], [1.0, 1.0, 1.0]])

    def softmax(z):
        return np.exp(z) / np.exp(z).sum(1, keepdims=True)

    settings = Distill(teacher="x", temperature=3.0, alpha=0.25)
    losses = np.array([0.7, 0.9], np.float32)
    expected = 0.25 * 9 * -(softmax(teacher_z / 3) * np.log(softmax(student_z / 3))).sum(1)
    expected += 0.75 * losses
    soft = distill.softened(softmax(teacher_z).astype(np.float32), 3.0)
    found = distill.distillation_losses(
        settings, soft, softmax(student_z).astype(np.float32), losses
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_student_comes_nearer_to_its_teacher_even_where_labels_are_wrong(
    dataset, trained, tmp_path
):
    from pipeline.training.architecture import load_keras_model
    from pipeline.training.compression import compress
    from pipeline.training.train import train

    lied = dataclasses.replace(dataset, train_labels=np.roll(dataset.train_labels, 1))
    train(ModelSpec("linear_mnist"), TRAINING, lied, tmp_path / "student.keras")
    images = dataset.scaling.apply(dataset.test_images)

    def distance(path: Path) -> float:
        student = load_keras_model(path, "test")(images).numpy()
        teacher = load_keras_model(trained, "test")(images).numpy()
        return float(np.abs(student - teacher).mean())

    settings = Distill(teacher=str(trained), alpha=1.0, epochs=2, learning_rate=0.01)
    result = tmp_path / "distilled.keras"
    distilled = compress(settings, TRAINING, lied, tmp_path / "student.keras", result)
    assert distilled.facts == {"teacher_parameters": 13_570}
    assert distance(result) < 0.8 * distance(tmp_path / "student.keras")


def test_a_teacher_that_does_not_suit_is_refused(dataset, trained, tmp_path):
    from pipeline.target import known_names

    wide = zoo_network("resnet8")
    wide.save(tmp_path / "wide.keras")
    settings = Distill(teacher=str(tmp_path / "wide.keras"))
    with pytest.raises(ModelError, match=r"^compress: the teacher takes shape \(None, 32, 32, 3\)"):
        distill.apply(settings, zoo_network("linear_mnist"), dataset)
    text = '[model]\nname="linear_mnist"\n[data]\nname="mnist"\n[[compression]]\n'
    text += 'technique = "distill"\n'
    assert parse_spec(text, Path("x.toml"), known_names()).compression == (Distill(),)  # its own
    with pytest.raises(SpecError, match=r"x\.toml:7: .* no model .*/nowhere/model\.keras"):
        parse_spec(text + 'teacher = "nowhere"', tmp_path / "x.toml", known_names())
