"""Low rank: at full rank nothing changes, and ranks are what energies and budgets ask for."""

from __future__ import annotations

import numpy as np
import pytest

from compressed import few_digits, images, outputs, zoo_network
from pipeline.compress.low_rank import LowRank, apply, factorized
from pipeline.compress.shared.factors import factors_of
from pipeline.compress.shared.rank_sensitivity import Choice, measured_choices, spread
from pipeline.errors import ModelError

pytestmark = pytest.mark.training


def suitable(network, scheme):
    layers = [layer for layer in network.layers if type(layer).__name__ in {"Conv2D", "Dense"}]
    if scheme == "spatial":
        layers = [layer for layer in layers if 1 not in getattr(layer, "kernel_size", (2,))]
    return layers


@pytest.mark.parametrize("scheme", ["channel", "spatial"])
@pytest.mark.parametrize("name", ["conv_mnist", "dilated_mnist", "inception_mini", "resnet8"])
def test_at_full_rank_a_network_computes_the_same(name, scheme):
    network = zoo_network(name)
    ranks = {}
    for layer in suitable(network, scheme):
        factors = factors_of(layer, scheme)
        ranks[layer.name] = factors, factors.full_rank
    inputs = images(network)
    expected = outputs(network, inputs)
    assert len(ranks) >= 3
    result = outputs(factorized(network, ranks, scheme), inputs)
    np.testing.assert_allclose(result, expected, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("scheme", ["channel", "spatial"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("strides", "dilation"), [((1, 1), (1, 1)), ((2, 2), (1, 1)), ((1, 1), (2, 2))]
)
def test_strides_dilation_and_padding_are_split_with_the_kernel(scheme, padding, strides, dilation):
    import tf_keras as keras

    options = {"padding": padding, "strides": strides, "dilation_rate": dilation}
    stack = [keras.Input((11, 12, 3)), keras.layers.Conv2D(4, (3, 5), activation="relu", **options)]
    network = keras.Sequential(stack)
    factors = factors_of(network.layers[0], scheme)
    split = factorized(network, {network.layers[0].name: (factors, factors.full_rank)}, scheme)
    inputs = images(network)
    np.testing.assert_allclose(outputs(split, inputs), outputs(network, inputs), atol=1e-5)


def of_rank(layer, rank: int, noise: float = 0.0) -> None:
    """Gives a dense layer a kernel of that rank."""
    generator = np.random.default_rng(5)
    rows, columns = layer.kernel.shape
    kernel = generator.normal(size=(rows, rank)) @ generator.normal(size=(rank, columns))
    kernel += noise * generator.normal(size=kernel.shape)
    layer.kernel.assign(kernel)


def test_a_kernel_of_rank_three_is_found_and_its_network_computes_the_same():
    network = zoo_network("mlp2_mnist")
    layer = network.get_layer("hidden_1")
    of_rank(layer, 3)
    change = apply(LowRank(energy=0.999999), network, None)
    [row] = [row for row in change.layers if row["rank"] is not None]
    assert (row["layer"], row["rank"], row["full_rank"]) == (layer.name, 3, layer.units)
    assert row["weights"] == 3 * sum(layer.kernel.shape)
    np.testing.assert_allclose(row["singular_values"][3:], 0, atol=1e-3)
    inputs = images(network)
    result, expected = outputs(change.network, inputs), outputs(network, inputs)
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_energy_is_retained_and_no_rank_more_than_that_takes():
    network = zoo_network("conv_mnist")
    for row in apply(LowRank(energy=0.8), network, None).layers:
        if row["rank"] is None:
            continue
        # A second reckoning: the norm of what is left over, from the singular values as written.
        squares = np.square(row["singular_values"])
        assert squares[: row["rank"]].sum() >= 0.7999 * squares.sum()
        assert squares[: row["rank"] - 1].sum() < 0.8001 * squares.sum()
        assert row["retained_energy"] >= 0.8


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_budget_is_kept_and_nearly_used(share):
    network = zoo_network("conv_mnist")
    change = apply(LowRank(parameters=share), network, None)
    before = sum(row["weights_before"] for row in change.layers)
    left = sum(row["weights"] for row in change.layers)
    assert 0.9 * share * before < left <= share * before


def test_what_does_not_get_smaller_is_named():
    change = apply(LowRank(energy=0.8), zoo_network("sepconv_mnist"), None)
    reasons = set(change.skipped.values())
    assert "a SeparableConv2D has no kernel to factorize" in reasons
    with pytest.raises(ModelError, match=r"smaller: probabilities \(at rank 10 of 10 it"):
        apply(LowRank(energy=1.0), zoo_network("linear_mnist"), None)
    with pytest.raises(ModelError, match=r"the lowest ranks leave 0\.\d+: raise parameters"):
        apply(LowRank(parameters=0.001), zoo_network("conv_mnist"), None)


@pytest.mark.parametrize("scheme", ["channel", "spatial"])
def test_a_kernel_of_full_rank_is_the_layer_s_own(scheme):
    for layer in suitable(zoo_network("conv_mnist"), scheme):
        factors = factors_of(layer, scheme)
        kernel = factors.kernel(factors.full_rank)
        np.testing.assert_allclose(kernel, layer.kernel.numpy(), atol=1e-5)


def test_a_budget_is_taken_from_where_it_costs_least():
    costly = (Choice(1, 10, 2.0), Choice(2, 20, 1.0))
    cheap = (Choice(1, 10, 0.3), Choice(2, 20, 0.1))
    whole = [40, 40]
    assert spread([costly, cheap], whole, 80) == [None, None]
    # 0.1 for 20 weights is less a weight than 0.3 for 30; then 0.2 for 10 than 1.0 for 20.
    assert spread([costly, cheap], whole, 60) == [None, cheap[1]]
    assert spread([costly, cheap], whole, 50) == [None, cheap[0]]
    # A step of 30 weights was the cheapest, and 10 of them may be given back.
    steep = (Choice(1, 10, 0.1), Choice(2, 20, 0.09))
    assert spread([costly, steep], whole, 60) == [None, steep[1]]
    assert spread([costly, cheap], whole, 30) == [costly[1], cheap[0]]
    assert spread([costly, cheap], whole, 19) is None


def test_sensitivity_is_measured_and_leaves_the_network_as_it_was():
    """Behind a layer of zeros no rank costs anything."""
    network, dataset = zoo_network("mlp2_mnist"), few_digits()
    names = [layer.name for layer in network.layers if type(layer).__name__ == "Dense"]
    first, second, last = (network.get_layer(name) for name in names)
    last.kernel.assign(np.zeros(last.kernel.shape))
    found = [factors_of(layer, "channel") for layer in (first, second)]
    before = [layer.kernel.numpy() for layer in (first, second)]
    losses = measured_choices(network, found, dataset)
    assert all(choice.loss == pytest.approx(0, abs=1e-6) for one in losses for choice in one)
    for layer, kernel in zip((first, second), before, strict=True):
        np.testing.assert_array_equal(layer.kernel.numpy(), kernel)
    trained = zoo_network("mlp2_mnist")
    settings = LowRank(parameters=0.5, spread="sensitivity", epochs=0)
    change = apply(settings, trained, dataset)
    left = sum(row["weights"] for row in change.layers)
    assert left <= 0.5 * sum(row["weights_before"] for row in change.layers)
    assert all(row["loss_at_rank"] for row in change.layers if row["rank"] is not None)
    with pytest.raises(
        ModelError, match=r"cannot leave 0\.001 of the weights; the lowest ranks leave"
    ):
        apply(LowRank(parameters=0.001, spread="sensitivity"), zoo_network("mlp2_mnist"), dataset)
