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
        ({"max_pools": True}, "max_pools = true is not of type int"),
        ({"dense_units": 0}, "dense_units = 0 is below 1"),
        ({"dense_units": 32.0}, r"dense_units = 32\.0 is not of type int"),
        ({"padding": "SAME"}, 'padding = "SAME" is not one of "same", "valid"'),
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


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": 0}, "alpha = 0 is not above 0"),
        ({"alpha": float("nan")}, "alpha = nan is not a finite number"),
        ({"blocks": 14}, "blocks = 14 is not one of 1, 2, 3"),
    ],
)
def test_a_width_multiplier_is_a_positive_number(values, message):
    with pytest.raises(SpecError, match=message):
        models.parse_parameters(models.model("mobilenet_v1"), values)


def built(name, values, image_shape, classes):
    from pipeline.tensorflow_setup import tensorflow

    tensorflow()
    definition = models.model(name)
    parameters = models.parse_parameters(definition, values)
    return definition.build(parameters, image_shape, classes)


@pytest.mark.training
@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("linear_mnist", {}, 7_850),  # the course's M1
        ("mlp1_mnist", {}, 25_450),  # M2
        ("mlp2_mnist", {}, 26_506),  # M3
        ("conv_mnist", {}, 13_570),  # M4
        ("conv_mnist", {"padding": "valid"}, 7_426),
        ("sepconv_mnist", {}, 6_767),  # M5
        ("sepconv_mnist", {"padding": "valid"}, 3_695),  # 5 * 5 * 4 inputs to dense
        ("sepconv_mnist", {"max_pools": 1}, 25 + 108 + (14 * 14 * 4 * 32 + 32) + 330),
        ("mobilenet_v1", {"blocks": 7}, 40_106),
        (  # stem, two Fire modules by hand, head
            "squeezenet",
            {"fire_modules": 2},
            (9 * 16 + 16)
            + (16 * 4 + 4 + 4 * 16 + 16 + 36 * 16 + 16)
            + (32 * 4 + 4 + 4 * 16 + 16 + 36 * 16 + 16)
            + (32 * 10 + 10),
        ),
        ("squeezenet", {}, 8_386),
    ],
)
def test_models_for_digits_have_the_published_number_of_parameters(name, values, expected):
    network = built(name, values, (28, 28, 1), 10)
    assert network.count_params() == expected
    assert (network.input_shape, network.output_shape) == ((None, 28, 28, 1), (None, 10))


@pytest.mark.training
@pytest.mark.parametrize(("alpha", "size", "classes"), [(1.0, 224, 1000), (0.25, 96, 2)])
def test_mobilenet_v1_is_that_of_keras(alpha, size, classes):
    network = built("mobilenet_v1", {"alpha": alpha}, (size, size, 3), classes)
    from tf_keras.applications import MobileNet
    from tf_keras.layers import Conv2D

    published = MobileNet((size, size, 3), alpha=alpha, weights=None, classes=classes)
    assert network.count_params() == published.count_params()

    def convolutions(model):
        found = [layer for layer in model.layers if isinstance(layer, Conv2D)]
        return [(layer.output_shape[1:], layer.strides, layer.kernel_size) for layer in found]

    *hidden, _classes = convolutions(published)  # where this one has a dense layer
    assert convolutions(network) == hidden
    if alpha == 1.0:  # Keras's documentation and the paper (4.2 million)
        assert network.count_params() == 4_253_864
    else:
        assert network.count_params() == 219_058


@pytest.mark.training
def test_squeezenet_has_the_authors_number_of_parameters():
    # torchvision.models.squeezenet1_1 documents 1235496.
    network = built("squeezenet", {"alpha": 1, "fire_modules": 8}, (224, 224, 3), 1000)
    assert network.count_params() == 1_235_496
