"""The registry of architectures: names and parameters are checked before anything is built."""

import pytest

from pipeline import models
from pipeline.errors import SpecError


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(SpecError, match='"sepconv_minst" is unknown; did you mean "sepconv_mnist"'):
        models.model("sepconv_minst")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_pool": 1}, 'no parameter "max_pool"; did you mean "max_pools"'),
        ({"max_pools": 3}, "max_pools = 3 is not one of 1, 2"),
        ({"max_pools": True}, "max_pools = True is not of type int"),
        ({"dense_units": 0}, "dense_units = 0 is below 1"),
        ({"dense_units": 32.0}, r"dense_units = 32\.0 is not of type int"),
        ({"padding": "SAME"}, "padding = 'SAME' is not one of 'same', 'valid'"),
    ],
)
def test_a_bad_parameter_is_refused(values, message):
    with pytest.raises(SpecError, match=message):
        models.parse_parameters(models.model("sepconv_mnist"), values)


def test_every_parameter_is_documented_and_its_default_is_valid():
    for definition in models.models().values():
        defaults = {entry.name: entry.default for entry in definition.parameter_list()}
        assert models.parse_parameters(definition, defaults) == definition.parameters()
        assert all(entry.help for entry in definition.parameter_list())


@pytest.mark.training
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 6_767),  # the course's M5
        ({"padding": "valid"}, 3_695),  # the same with VALID padding: 5 * 5 * 4 inputs to dense
        ({"max_pools": 1}, 25 + 108 + (14 * 14 * 4 * 32 + 32) + 330),
    ],
)
def test_sepconv_mnist_has_the_published_number_of_parameters(values, expected):
    from pipeline.tensorflow_setup import tensorflow

    tensorflow()
    definition = models.model("sepconv_mnist")
    parameters = models.parse_parameters(definition, values)
    network = definition.build(parameters, definition.image_shape, definition.classes)
    assert network.count_params() == expected
