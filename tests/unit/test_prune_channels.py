"""Structured pruning: what is removed is what the graph allows, and a network without channels that
were zero computes what it computed."""

from __future__ import annotations

import numpy as np
import pytest

from compressed import images, outputs, zoo_network
from pipeline.compress.prune_channels import PruneChannels, apply, without_channels
from pipeline.compress.shared.channels import trace
from pipeline.errors import ModelError
from pipeline.models import models

pytestmark = pytest.mark.training

# Nothing of these can be pruned: their only layer gives the output.
UNPRUNED = {"linear_mnist"}


def silence(channels, removed) -> None:
    """Makes the channels zero wherever they are written."""
    for wiring in channels.wirings.values():
        gone = np.isin(wiring.writes, list(removed))
        kind, weights = type(wiring.layer).__name__, wiring.layer.get_weights()
        if kind in {"Conv2D", "Dense"}:
            silenced = range(len(weights))
        elif kind in {"SeparableConv2D", "DepthwiseConv2D"}:  # their first kernel hands channels on
            silenced = range(1, len(weights))
        else:  # scale and offset of a batch normalization, where it has them
            silenced = range(wiring.layer.scale + wiring.layer.center)
        for index in silenced:
            weights[index][..., gone] = 0
        wiring.layer.set_weights(weights)


@pytest.mark.parametrize("name", [name for name in models() if name not in UNPRUNED])
def test_without_channels_that_are_zero_an_architecture_computes_the_same(name):
    network = zoo_network(name)
    channels = trace(network)
    generator = np.random.default_rng(7)
    # Half of what may go, drawn here and not by importance.
    removed: set[int] = set()
    for group in channels.tied():
        numbers = {n for one in group for n in channels.producers[one].writes.tolist()}
        free = sorted(numbers - set(channels.fixed))
        removed.update(generator.permutation(free)[: len(free) // 2].tolist())
    silence(channels, removed)
    smaller = without_channels(network, channels, frozenset(removed))
    assert removed
    assert smaller.count_params() < network.count_params()
    inputs = images(network)
    expected = outputs(network, inputs)
    assert expected.std() > 0
    np.testing.assert_allclose(outputs(smaller, inputs), expected, atol=1e-6, rtol=1e-4)


def test_the_pruned_network_has_the_least_important_channels_no_more():
    network = zoo_network("conv_mnist")
    first = network.get_layer(network.layers[0].name)
    kernel, bias = first.get_weights()
    kernel[...] = np.arange(1, 9) * np.array([1, -1, 1, -1, 1, -1, 1, -1])  # sums grow with place
    first.set_weights([kernel, bias])
    change = apply(PruneChannels(ratio=0.4), network, None)
    kept = change.network.get_layer(first.name).get_weights()[0]
    np.testing.assert_array_equal(kept, kernel[..., 3:])  # floor(0.4 * 8) = 3 are gone
    rows = {row["layer"]: (row["channels_before"], row["channels"]) for row in change.layers}
    assert rows[first.name] == (8, 5)


def test_a_residual_and_its_branches_keep_the_same_channels():
    network = zoo_network("resnet8")
    groups = trace(network).tied()
    assert ["stem", "stack_1_second"] in groups
    assert ["stack_2_second", "stack_2_shortcut"] in groups
    assert ["stack_1_first"] in groups


def test_squeeze_and_excitation_is_cut_with_what_it_weights():
    network = zoo_network("mobilenet_v3")
    change = apply(PruneChannels(ratio=0.25), network, None)
    for number in (1, 4, 5, 6):
        width = change.network.get_layer(f"block_{number}_depthwise").input_shape[-1]
        assert width < network.get_layer(f"block_{number}_depthwise").input_shape[-1]
        assert change.network.get_layer(f"block_{number}_restore").filters == width
    assert set(change.skipped) == {"probabilities"}


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_layers_keep_a_multiple_where_that_is_asked_for(scope):
    network = zoo_network("mobilenet_v1")
    change = apply(PruneChannels(ratio=0.3, multiple=4, scope=scope), network, None)
    assert change.layers
    assert all(row["channels"] % 4 == 0 < row["channels"] for row in change.layers)


def test_no_layer_is_left_without_channels():
    network = zoo_network("squeezenet")
    change = apply(PruneChannels(ratio=0.99, scope="network"), network, None)
    assert min(row["channels"] for row in change.layers) == 1


def test_network_slimming_judges_by_the_scale_and_skips_layers_without_one():
    network = zoo_network("resnet8")
    norm = network.get_layer("stack_1_first_norm")
    norm.gamma.assign(np.linspace(1, 2, 16))
    change = apply(PruneChannels(importance="bn_gamma"), network, None)
    kept = change.network.get_layer("stack_1_first_norm").gamma.numpy()
    np.testing.assert_array_equal(kept, norm.gamma.numpy()[8:])
    change = apply(PruneChannels(importance="bn_gamma"), zoo_network("autoencoder"), None)
    assert change.skipped == {"reconstruction": "it gives the network's output"}
    with pytest.raises(ModelError, match="prune_channels leaves conv_mnist every channel"):
        apply(PruneChannels(importance="bn_gamma"), zoo_network("conv_mnist"), None)


def test_layers_that_cannot_be_cut_say_why():
    change = apply(PruneChannels(), zoo_network("lenet5"), None)
    assert change.skipped == {
        "c1": "c3 (TableConv2D) needs all of them",
        "c3": "a TableConv2D cannot be cut",
        "probabilities": "it gives the network's output",
    }
    with pytest.raises(ModelError, match=r"^compress: prune_channels leaves linear_mnist every"):
        apply(PruneChannels(), zoo_network("linear_mnist"), None)
