"""Batch normalization that conversion folded, could not fold, and did not fold."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.convert import convert_network
from pipeline.errors import ModelError
from pipeline.graph import DType, Graph
from pipeline.tflite_reader import read_tflite
from pipeline.tflite_writer import TfliteWriter
from pipeline.training.batch_norm_folding import verify_folding
from pipeline.training.tensorflow_setup import tensorflow
from small_models import per_tensor

pytestmark = pytest.mark.training


def drawn(network: Any) -> Any:
    """The network with statistics and factors as after a training."""
    rng = np.random.default_rng(0)
    draws = {
        "gamma": lambda n: rng.uniform(0.3, 2, n) * rng.choice([-1, 1], n),
        "moving_variance": lambda n: rng.uniform(0.1, 3, n),
    }
    for variable in network.weights:
        name = variable.name.rpartition("/")[2].removesuffix(":0")
        if name in ("gamma", "beta", "moving_mean", "moving_variance"):
            variable.assign(draws.get(name, lambda n: rng.normal(0, 1, n))(variable.shape[0]))
    return network


def every_kind() -> Any:
    """Five normalizations that fold, and three that cannot: behind a ReLU, behind the image, and
    behind a convolution that something else reads too."""
    tensorflow()
    from tf_keras import Model, layers

    image = layers.Input((8, 8, 2))
    x = layers.BatchNormalization(name="of_image")(image)
    x = layers.Conv2D(6, 3, padding="same", name="conv")(x)
    x = layers.Dropout(0.2)(x)
    x = layers.BatchNormalization(name="of_conv")(x)
    x = layers.ReLU()(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="depthwise")(x)
    x = layers.BatchNormalization(name="of_depthwise")(x)
    x = layers.BatchNormalization(name="again", scale=False)(x)
    x = layers.ReLU()(x)
    x = layers.BatchNormalization(name="before_conv")(x)
    x = layers.Conv2D(4, 1, activation="relu", name="conv_behind")(x)
    y = layers.Conv2D(4, 3, padding="same", name="read_twice")(x)
    z = layers.BatchNormalization(name="of_read_twice")(y)
    x = layers.Add()([layers.ReLU()(y), layers.ReLU()(z)])
    x = layers.SeparableConv2D(5, 3, name="separable")(x)
    x = layers.BatchNormalization(name="of_separable", center=False)(x)
    x = layers.Flatten()(layers.ReLU(6.0)(x))
    x = layers.Dense(7, name="dense")(x)
    x = layers.BatchNormalization(name="of_dense")(x)
    x = layers.Dense(3, activation="softmax", name="classes")(layers.ReLU()(x))
    return Model(image, x)


@pytest.fixture(scope="module")
def converted() -> tuple[Any, Graph]:
    network = drawn(every_kind())
    images = np.random.default_rng(1).uniform(0, 1, (20, 8, 8, 2)).astype(np.float32)
    return network, read_tflite(convert_network(network, images).content)


FOLDED = ("of_conv", "of_depthwise", "again", "of_separable", "of_dense")


def test_what_can_be_folded_is_found_folded_and_nothing_else_is_asked_for(converted) -> None:
    assert verify_folding(*converted) == FOLDED


VARIABLES = ("gamma", "moving_variance", "beta", "moving_mean")
ABSENT = (("again", "gamma"), ("of_separable", "beta"))


@pytest.mark.parametrize(
    ("name", "which"), [c for c in itertools.product(FOLDED, VARIABLES) if c not in ABSENT]
)
def test_other_statistics_than_those_folded_are_noticed(converted, name: str, which: str) -> None:
    network, graph = converted
    variable = getattr(network.get_layer(name), which)
    before = variable.numpy()
    variable.assign(before * 1.1 + 0.1)
    try:
        with pytest.raises(ModelError, match="no operator has the folded weights within half a"):
            verify_folding(network, graph)
    finally:
        variable.assign(before)


def with_separate_normalization(folded: bool) -> tuple[Any, Graph]:
    """A dense layer of two units, and MUL and ADD behind it that normalize; `folded` into its
    weights and bias besides, which normalizes twice."""
    tensorflow()
    from tf_keras import Sequential, layers

    normalization = layers.BatchNormalization(name="norm", epsilon=0.0)
    network = Sequential([layers.Input((2,)), layers.Dense(2, name="dense"), normalization])
    weights, bias = np.array([[1.0, -0.5], [0.25, 1.0]]), np.array([0.5, -0.25])
    scale, shift = np.array([2.0, 0.5]), np.array([1.0, -1.0])
    network.set_weights([weights.T, bias, scale, shift, np.zeros(2), np.ones(2)])
    if folded:
        weights, bias = weights * scale[:, None], bias * scale + shift
    writer = TfliteWriter()
    x, y, multiplied, added = (
        writer.tensor((1, 2), DType.INT8, per_tensor(1 / 64)) for _ in range(4)
    )
    w = writer.tensor((2, 2), DType.INT8, per_tensor(1 / 32), np.rint(weights * 32))
    b = writer.tensor((2,), DType.INT32, per_tensor(1 / 2048), np.rint(bias * 2048))
    factors = writer.tensor((2,), DType.INT8, per_tensor(1 / 60), np.rint(scale * 60))
    offsets = writer.tensor((2,), DType.INT8, per_tensor(1 / 100), np.rint(shift * 100))
    writer.operator("FULLY_CONNECTED", [x, w, b], [y], schema.FullyConnectedOptionsT())
    writer.operator("MUL", [y, factors], [multiplied], schema.MulOptionsT())
    writer.operator("ADD", [multiplied, offsets], [added], schema.AddOptionsT())
    return network, read_tflite(writer.build([x], [added]))


@pytest.mark.parametrize("folded", [False, True])
def test_a_multiplication_that_is_left_over_is_named(folded: bool) -> None:
    with pytest.raises(ModelError) as error:
        verify_folding(*with_separate_normalization(folded))
    assert str(error.value).startswith(
        "convert: batch normalization norm is not folded into dense: op 1 MUL is left over of it"
    )
