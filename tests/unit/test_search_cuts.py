"""What a search cuts off: what was zero is not missed, and what is left is what was there."""

from __future__ import annotations

import numpy as np
import pytest

from compressed import images, outputs, zoo_network
from pipeline.search.cuts import Cut, apply_cut, cuts_of

pytestmark = pytest.mark.training


def sequential(*layers):
    from pipeline.training.train import seeded_keras

    keras = seeded_keras(3)
    made = [getattr(keras.layers, kind)(*args, **options) for kind, args, options in layers]
    flat = [keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax")]
    return keras.Sequential([keras.Input((13, 16, 3)), *made, *flat])


KERNELS = [
    ("Conv2D", (4, 5), {"padding": "same"}),
    ("Conv2D", (4, 5), {"padding": "same", "strides": 2}),
    ("Conv2D", (4, (3, 5)), {"padding": "same"}),
    ("Conv2D", (4, 4), {"strides": 3}),
    ("Conv2D", (4, 3), {"padding": "same", "dilation_rate": 2}),
    ("DepthwiseConv2D", (5,), {"padding": "same", "depth_multiplier": 2}),
    ("DepthwiseConv2D", (3,), {"padding": "same", "strides": 2}),
    ("SeparableConv2D", (4, 3), {"padding": "same"}),
]


@pytest.mark.parametrize("layer", KERNELS, ids=str)
def test_a_kernel_whose_rim_is_zero_computes_the_same_without_it(layer):
    network = sequential(layer)
    name = network.layers[0].name
    kernels = [cut for cuts in cuts_of(network, 2) for cut in cuts if cut.kind == "kernel"]
    assert kernels
    for cut in kernels:
        assert cut.layers == (name,)
        smaller = apply_cut(network, cut)
        kept = smaller.layers[1].get_weights()[0]  # behind the input
        full, *others = network.layers[0].get_weights()
        fewer = cut.before - cut.after
        found = False
        for row in range(fewer + 1):  # where the kept part lay
            for column in range(fewer + 1):
                part = np.zeros_like(full)
                place = slice(row, row + kept.shape[0]), slice(column, column + kept.shape[1])
                if np.array_equal(full[place], kept):
                    part[place], found = kept, True
                    network.layers[0].set_weights([part, *others])
        assert found
        given = images(network)
        np.testing.assert_allclose(outputs(smaller, given), outputs(network, given), atol=1e-6)
        network.layers[0].set_weights([full, *others])


def test_a_kernel_that_decides_how_large_the_output_is_stays():
    network = sequential(("Conv2D", (4, 4), {}))
    assert not [cut for cuts in cuts_of(network, 2) for cut in cuts if cut.kind == "kernel"]


def test_a_branch_that_adds_zero_is_not_missed():
    network = zoo_network("resnet8")
    branches = [cuts[0] for cuts in cuts_of(network, 4) if cuts[0].kind == "branch"]
    assert len(branches) == 1  # the other two blocks have a convolution beside the branch
    for cut in branches:
        addition = network.get_layer(cut.layers[0])
        for operand in addition.input:
            layer = operand.node.layer
            if type(layer).__name__ == "BatchNormalization":
                weights = layer.get_weights()
                layer.set_weights(
                    [np.zeros_like(weights[0]), np.zeros_like(weights[1]), *weights[2:]]
                )
        smaller = apply_cut(network, cut)
        assert smaller.count_params() < network.count_params()
        given = images(network)
        np.testing.assert_allclose(outputs(smaller, given), outputs(network, given), atol=1e-5)


@pytest.mark.parametrize("name", ["conv_mnist", "squeezenet", "mobilenet_v2"])
def test_channels_are_cut_to_what_the_cut_says_and_multiples_are_kept_to(name):
    network = zoo_network(name)
    groups = [cuts for cuts in cuts_of(network, 4) if cuts[0].kind == "channels"]
    for cuts in groups:
        assert all(cut.after % 4 == 0 or cut.after < 4 for cut in cuts)
        assert [cut.after for cut in cuts] == sorted({c.after for c in cuts}, reverse=True)
    cut = groups[0][0]
    smaller = apply_cut(network, cut)
    left = next(c for c in cuts_of(smaller, 4) if c[0].layers == cut.layers)
    assert left[0].before == cut.after


def test_a_cut_says_what_it_is():
    assert str(Cut("channels", ("a",), 8, 6)) == "a 8 -> 6 channels"
    assert str(Cut("channels", ("a", "b", "c"), 8, 6)) == "a ... c 8 -> 6 channels"
    assert str(Cut("kernel", ("a",), 5, 3)) == "a 5 -> 3 high kernel"
    assert str(Cut("branch", ("add",), 1, 0)) == "add without its branch"
